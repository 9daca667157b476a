package clustertest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"squall/cluster"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func sizeChecks() []Check {
	return []Check{
		{Name: "making/one worker", Says: "the smallest cluster comes up, runs a pod and is removed", stage: making, with: oneWorker},
		{Name: "making/five workers", Says: "the largest comes up, runs a pod on every worker and is removed", stage: making, with: fiveWorkers},
		{Name: "making/three control planes", Says: "the API outlives one control-plane node, not two, and returns with them", stage: making, with: threeControlPlanes},
		{Name: "making/name taken", Says: "a second cluster of a name is refused", on: nameTaken},
		{Name: "making/too large", Says: "what the host cannot carry is refused before anything starts", stage: making, with: tooLarge},
		{Name: "making/unusable", Says: "an unusable specification is refused, with all that is wrong with it", stage: making, with: unusable},
		{Name: "making/interrupted", Says: "a bring-up that is interrupted leaves nothing", stage: making, with: interrupted},
	}
}

func manyChecks() []Check {
	return []Check{
		{Name: "making/side by side", Says: "three clusters that are up at once pass the smoke checks and do not see each other", stage: making, with: sideBySide},
	}
}

// made makes a cluster, lets a check see it, and removes it.
func (s *suite) made(ctx context.Context, spec cluster.Spec, look func(context.Context, *lab) error) error {
	spec.Name = s.Prefix + "-" + spec.Name
	spec.Without = append(spec.Without, s.lacks()...)
	l, err := s.up(ctx, spec)
	if err != nil {
		return err
	}
	return errors.Join(look(ctx, l), l.down())
}

func oneWorker(ctx context.Context, s *suite) error {
	return s.made(ctx, cluster.Spec{Name: "one", Workers: 1}, everywhere)
}

func fiveWorkers(ctx context.Context, s *suite) error {
	return s.made(ctx, cluster.Spec{Name: "five", Workers: 5, NodeMemory: resource.MustParse("1Gi")}, everywhere)
}

// everywhere checks that a cluster is what was asked for and runs a pod on each
// of its nodes.
func everywhere(ctx context.Context, l *lab) error {
	if err := same("nodes", len(l.Info().Nodes), l.spec.Workers+max(l.spec.ControlPlanes, 1)); err != nil {
		return err
	}
	return l.run(ctx, Check{Name: "everywhere", on: daemonSet})
}

func threeControlPlanes(ctx context.Context, s *suite) error {
	return s.made(ctx, cluster.Spec{Name: "three", Workers: 1, ControlPlanes: 3, Timers: cluster.FastTimers}, func(ctx context.Context, l *lab) error {
		var others []string
		for _, n := range l.first {
			if n.ControlPlane && n.Name != l.clientHost().Name {
				others = append(others, n.Name)
			}
		}
		if err := same("control-plane nodes besides the client host", len(others), 2); err != nil {
			return err
		}
		act := func(node string, action cluster.NodeAction) func() error {
			return func() error { return l.Nodes().Act(ctx, node, action) }
		}
		return steps(
			func() error { return everywhere(ctx, l) },
			act(others[0], cluster.PowerOff),
			func() error { return l.writes(ctx, failoverMost) },
			act(others[1], cluster.PowerOff),
			func() error { return l.refusesWrites(ctx) },
			act(others[0], cluster.Start),
			func() error { return l.writes(ctx, failoverMost) },
			act(others[1], cluster.Start),
			func() error { return l.allReady(ctx) },
			func() error { return everywhere(ctx, l) },
		)
	})
}

// failoverMost is how long the API may be away when one control-plane node goes
// or comes back: connections to it must be given up, which takes client-go
// 30 + 15 s when nothing else ends them (see reconnectMost), and etcd must elect,
// which takes some seconds.
const failoverMost = 60 * time.Second

// write writes one object, which needs the API and a quorum of etcd.
func (l *lab) write(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	_, err := l.client.CoreV1().ConfigMaps("default").Create(ctx,
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{GenerateName: "written-"}}, metav1.CreateOptions{})
	return err
}

// writes waits until five writes in a row succeed, so that every API server that
// is thought to be up has been asked.
func (l *lab) writes(ctx context.Context, most time.Duration) error {
	good := 0
	began := time.Now()
	err := until(ctx, most, "the API to take writes", func(ctx context.Context) (string, error) {
		if err := l.write(ctx); err != nil {
			good = 0
			return err.Error(), nil
		}
		if good++; good < 5 {
			return fmt.Sprintf("%d good", good), nil
		}
		return "", nil
	})
	l.Log(fmt.Sprintf("     %6.1fs  until the API took writes (%s)", time.Since(began).Seconds(), l.spec.Name))
	return err
}

// refusesWrites waits until writes fail, as they must without a quorum.
func (l *lab) refusesWrites(ctx context.Context) error {
	return until(ctx, 30*time.Second, "writes to fail without a quorum of etcd", func(ctx context.Context) (string, error) {
		if l.write(ctx) == nil {
			return "a write succeeded", nil
		}
		return "", nil
	})
}

// allReady waits until every node that the cluster was made with is Ready.
func (l *lab) allReady(ctx context.Context) error {
	text, err := l.Kubeconfig()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, reconnectMost, fmt.Errorf("not within %s", reconnectMost))
	defer cancel()
	var names []string
	for _, n := range l.first {
		names = append(names, n.Name)
	}
	return cluster.WaitNodesReady(ctx, text, names)
}

func nameTaken(ctx context.Context, s *scope) error {
	_, err := s.Provider.Create(ctx, cluster.Spec{Name: s.spec.Name, Workers: 1}, nil)
	if !errors.Is(err, cluster.ErrExists) {
		return fmt.Errorf("wanted an error that wraps cluster.ErrExists, got %w", orNone(err))
	}
	found, err := s.Provider.Find(ctx, s.spec.Name)
	if err != nil {
		return fmt.Errorf("finding the cluster that has the name: %w", err)
	}
	return same("its API's address", found.Info().Server, s.Info().Server)
}

// refuses checks that a specification is refused for all of some reasons, soon,
// and that nothing is left.
func (s *suite) refuses(ctx context.Context, spec cluster.Spec, says ...string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, 30*time.Second, errors.New("refusing took too long"))
	defer cancel()
	spec.Name = s.Prefix + "-" + spec.Name
	c, err := s.Provider.Create(ctx, spec, func(string) {})
	if err == nil {
		return errors.Join(fmt.Errorf("a cluster was made of %+v", spec), s.Provider.Remove(ctx, c.Info().Name))
	}
	for _, part := range says {
		if err := refused("the specification", err, part); err != nil {
			return err
		}
	}
	return s.gone(ctx, spec.Name)
}

func tooLarge(ctx context.Context, s *suite) error {
	for _, spec := range []cluster.Spec{
		{Name: "large", Workers: 1, NodeCPU: resource.MustParse("1000"), NodeMemory: resource.MustParse("1Gi")},
		{Name: "large", Workers: 1, NodeCPU: resource.MustParse("1"), NodeMemory: resource.MustParse("100Ti")},
	} {
		c, err := s.Provider.Create(ctx, cluster.Spec{Name: s.Prefix + "-large", Workers: 1, NodeCPU: spec.NodeCPU, NodeMemory: spec.NodeMemory}, nil)
		if err == nil {
			return errors.Join(fmt.Errorf("nodes of %s processors and %s were made", spec.NodeCPU.String(), spec.NodeMemory.String()), s.Provider.Remove(ctx, c.Info().Name))
		}
		if !errors.Is(err, cluster.ErrHost) {
			return fmt.Errorf("nodes of %s processors and %s: wanted an error that wraps cluster.ErrHost, got %w", spec.NodeCPU.String(), spec.NodeMemory.String(), err)
		}
		if err := s.gone(ctx, s.Prefix+"-large"); err != nil {
			return err
		}
	}
	return nil
}

func unusable(ctx context.Context, s *suite) error {
	return steps(
		func() error {
			return s.refuses(ctx, cluster.Spec{
				Name: "Not_a_name", Workers: 9, ControlPlanes: 2, NodeCPU: resource.MustParse("-1"),
			}, "Not_a_name", "9 workers", "2 control-plane nodes", "negative")
		},
		func() error {
			return s.refuses(ctx, cluster.Spec{
				Name: "flags", Workers: 1, Timers: "slow", Without: []cluster.Part{"disks"},
				FeatureGates: map[string]bool{"NoSuchGate": true},
				Flags:        map[string]map[string]string{"kube-scheduler": {"no-such-flag": "1"}, "no-such-component": {"v": "1"}},
			}, "slow", "disks", "NoSuchGate", "no-such-flag", "no-such-component")
		},
	)
}

func interrupted(ctx context.Context, s *suite) error {
	stop := errors.New("interrupted by the check")
	name := s.Prefix + "-cut"
	for _, after := range []time.Duration{300 * time.Millisecond, 2 * time.Second} {
		short, cancel := context.WithTimeoutCause(ctx, after, stop)
		_, err := s.Provider.Create(short, cluster.Spec{
			Name: name, Workers: 1, NodeCPU: resource.MustParse(nodeCPU), NodeMemory: resource.MustParse(nodeMemory),
		}, nil)
		cancel()
		if !errors.Is(err, stop) {
			return errors.Join(fmt.Errorf("interrupted after %s: wanted an error that wraps the interruption's cause, got %w", after, orNone(err)), s.Provider.Remove(ctx, name))
		}
		if err := s.gone(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// sideBySide makes three clusters at once and runs the smoke checks on each while
// the others are there.
func sideBySide(ctx context.Context, s *suite) error {
	errs := make([]error, 3)
	var all, up sync.WaitGroup
	var turn sync.Mutex // one check at a time: three clusters are a burden by themselves
	up.Add(len(errs))
	for i := range errs {
		all.Go(func() {
			name := fmt.Sprintf("side%d", i+1)
			arrived := sync.OnceFunc(up.Done)
			defer arrived()
			errs[i] = s.made(ctx, cluster.Spec{Name: name, Workers: 1 + i%2, NodeMemory: resource.MustParse("1Gi"), Timers: cluster.FastTimers}, func(ctx context.Context, l *lab) error {
				arrived()
				up.Wait() // so that all three are there
				return l.smoke(ctx, &turn)
			})
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// smokeChecks are those of them that the provider's clusters have the parts for.
func (s *suite) smokeChecks() []Check {
	return slices.DeleteFunc(Checks(), func(c Check) bool { return !c.Smoke || !s.canHave(c) })
}

// smoke runs the smoke checks on a cluster, each in its turn with those of other
// clusters, and looks for strangers in it.
func (l *lab) smoke(ctx context.Context, turn *sync.Mutex) error {
	var errs []error
	inTurn := func(c Check) error {
		turn.Lock()
		defer turn.Unlock()
		return l.run(ctx, c)
	}
	for _, r := range l.parallel(l.smokeChecks(), 1, inTurn) {
		if r.Err != nil {
			errs = append(errs, fmt.Errorf("%s on %s: %w", r.Check.Name, l.spec.Name, r.Err))
		}
	}
	nodes, err := l.client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return errors.Join(append(errs, err)...)
	}
	return errors.Join(append(errs, same("nodes of "+l.spec.Name, len(nodes.Items), l.spec.Workers+1))...)
}
