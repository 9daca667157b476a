package clustertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"squall/cluster"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// How long a node may take to be Ready again. Stock timers of connections bound
// it, not the cluster's own.
const (
	// startMost is for a node that was off: its programs start, which takes some
	// seconds on a busy host, and the kubelet reports at once.
	startMost = 40 * time.Second
	// resumeMost is for one that was paused: its kubelet goes on.
	resumeMost = 20 * time.Second
	// reconnectMost is for one that was cut off: TCP sends again after up to as
	// long as the cut lasted, or the client gives the connection up after 30 + 15 s
	// (k8s 1.36, staging/src/k8s.io/apimachinery/pkg/util/net/http.go,
	// readIdleTimeoutSeconds and pingTimeoutSeconds).
	reconnectMost = 50 * time.Second
)

// onDisks is a server with a volume on the node's disk and one in its memory.
const onDisks = `
apiVersion: v1
kind: Pod
metadata: {name: server, labels: {app: server}}
spec:
  nodeName: %s
  terminationGracePeriodSeconds: 5
  tolerations: [{operator: Exists}]
  volumes: [{name: d, emptyDir: {}}, {name: m, emptyDir: {medium: Memory}}]
  containers:
  - {name: c, image: $PROBE, args: [serve], volumeMounts: [{name: d, mountPath: /disk}, {name: m, mountPath: /memory}]}
  - {name: t, image: $PROBE, args: [term, 100ms, /disk/term], volumeMounts: [{name: d, mountPath: /disk}]}
`

// borrowed is a worker that one check alone acts on.
type borrowed struct {
	*scope
	name   string
	before *corev1.Node
	acted  moment // when the last action was done for the first time
}

// moment is a time that is known only to lie between two others.
type moment struct{ from, to time.Time }

// borrowing is a check that has a worker to itself: no other check acts on it,
// a server runs on it, and a connection to that is in use. What was done to the
// node is undone in the end.
func borrowing(check func(context.Context, *borrowed) error) func(context.Context, *scope) error {
	return func(ctx context.Context, s *scope) error {
		b := &borrowed{scope: s}
		select {
		case b.name = <-s.idle:
		case <-ctx.Done():
			return fmt.Errorf("waiting for a worker that nothing is done to: %w", context.Cause(ctx))
		}
		defer func() { s.idle <- b.name }()
		err := b.prepare(ctx)
		if err == nil {
			err = check(ctx, b)
		}
		return errors.Join(err, b.mend())
	}
}

func (b *borrowed) prepare(ctx context.Context) error {
	return steps(
		func() error { return b.becomes(ctx, b.name, true, startMost) },
		func() error { return b.apply(ctx, fmt.Sprintf(onDisks, b.name)) },
		func() error { return b.podReady(ctx, "server") },
		func() error {
			_, err := b.exec(ctx, "server", "write", "/disk/file", "kept")
			return err
		},
		func() error {
			_, err := b.exec(ctx, "server", "write", "/memory/file", "lost")
			return err
		},
		func() error { return b.hold(ctx, "server") },
		func() (err error) {
			b.before, err = b.client.CoreV1().Nodes().Get(ctx, b.name, metav1.GetOptions{})
			return err
		},
	)
}

// mend brings the node back to what it was, whatever the check left it in.
func (b *borrowed) mend() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute) // the check's own may have ended
	defer cancel()
	var errs []error
	for _, action := range []cluster.NodeAction{cluster.Start, cluster.Resume, cluster.Reconnect} {
		errs = append(errs, b.Nodes().Act(ctx, b.name, action))
	}
	return errors.Join(append(errs, b.becomes(ctx, b.name, true, reconnectMost))...)
}

// hold starts a pod beside the control plane that uses a connection to a pod.
func (s *scope) hold(ctx context.Context, pod string) error {
	p, err := s.client.CoreV1().Pods(s.ns).Get(ctx, pod, metav1.GetOptions{})
	if err != nil {
		return err
	}
	holder := never(podManifest("holder", s.clientHost().Name, "hold", p.Status.PodIP+":8081", "60s"))
	return steps(
		func() error { return s.apply(ctx, holder) },
		func() error { return s.says(ctx, "holder", "open") },
	)
}

// hangs waits until a node that is silent since a moment is NotReady, in the time that the timers
// predict, and checks that the connection to it is neither reset nor closed.
func (s *scope) hangs(ctx context.Context, node string, silent moment) error {
	least, most := s.timers.NotReady()
	if err := s.becomes(ctx, node, false, most+5*time.Second); err != nil {
		return err
	}
	now := time.Now()
	log, err := s.client.CoreV1().Pods(s.ns).GetLogs("holder", &corev1.PodLogOptions{}).DoRaw(ctx)
	return steps(
		func() error { return err },
		// at most a look late
		func() error {
			return within("from before "+node+" fell silent until it was NotReady", now.Sub(silent.from), least, most+silent.to.Sub(silent.from)+2*lookEvery)
		},
		func() error { return same("what the connection's user says", strings.TrimSpace(string(log)), "open") },
	)
}

// becomes waits until a node is Ready, or is not, and logs how long it took.
func (s *scope) becomes(ctx context.Context, node string, ready bool, most time.Duration) error {
	began := time.Now()
	err := until(ctx, most, fmt.Sprintf("Ready %t of node %s", ready, node), func(ctx context.Context) (string, error) {
		n, err := s.client.CoreV1().Nodes().Get(ctx, node, metav1.GetOptions{})
		if err != nil {
			return err.Error(), nil // one that was just added is not there yet
		}
		if isNodeReady(n) == ready {
			return "", nil
		}
		return fmt.Sprintf("%+v", n.Status.Conditions), nil
	})
	if err != nil {
		return fmt.Errorf("%w; its kubelet's last words: %s", err, s.lastWords(node))
	}
	if took := time.Since(began); took > lookEvery {
		s.Log(fmt.Sprintf("     %6.1fs  until %s was Ready %t (%s)", took.Seconds(), node, ready, s.ns))
	}
	return nil
}

// lastWords is the end of the log of a node's kubelet.
func (s *scope) lastWords(node string) string {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second) // the check's own may have ended
	defer cancel()
	var log bytes.Buffer
	if err := s.Nodes().Logs(ctx, node, "kubelet", &log); err != nil {
		return err.Error()
	}
	const end = 1000
	return string(log.Bytes()[max(0, log.Len()-end):])
}

// act does something to the node, twice, since the second time does nothing.
func (b *borrowed) act(ctx context.Context, action cluster.NodeAction, want cluster.NodeState) error {
	for i := range 2 {
		began := time.Now()
		if err := b.Nodes().Act(ctx, b.name, action); err != nil {
			return err
		}
		if i == 0 {
			b.acted = moment{began, time.Now()}
		}
	}
	states, err := b.Nodes().States(ctx)
	if err != nil {
		return err
	}
	for _, st := range states {
		if st.Name == b.name {
			want.Node = st.Node
			return same("the node after "+string(action), st, want)
		}
	}
	return fmt.Errorf("States does not list %s", b.name)
}

// returned waits until the node is Ready after something was undone.
func (b *borrowed) returned(ctx context.Context, most time.Duration) error {
	return steps(
		func() error { return b.becomes(ctx, b.name, true, most) },
		// what the API knows of a node that was off for seconds is from before
		func() error {
			return answers(ctx, podStart, "kept", func(ctx context.Context) (string, error) { return b.exec(ctx, "server", "read", "/disk/file") })
		},
	)
}

// on is the state of a node that nothing is done to.
func on() cluster.NodeState { return cluster.NodeState{Up: true, Linked: true} }

// rebooted checks what is left after a node was off.
func (b *borrowed) rebooted(ctx context.Context) error {
	err := b.podIs(ctx, "server", podStart, "restarted and Ready", func(p *corev1.Pod) bool { return isReady(p) && restarts(p) >= 2 })
	if err != nil {
		return err
	}
	n, err := b.client.CoreV1().Nodes().Get(ctx, b.name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	if _, err := b.exec(ctx, "server", "test", "/memory/file"); !ended(err) {
		return fmt.Errorf("what was in the node's memory should be gone; looking for it: %w", orNone(err))
	}
	return steps(
		func() error { return same("its address", n.Status.Addresses[0], b.before.Status.Addresses[0]) },
		func() error { return same("its UID", n.UID, b.before.UID) },
	)
}

func powerOff(ctx context.Context, b *borrowed) error {
	ended := make(chan error, 1)
	go func() { ended <- b.Exec(ctx, cluster.Exec{Node: b.name, Argv: []string{b.probe.path, "sleep"}}) }()
	return steps(
		func() error { return b.act(ctx, cluster.PowerOff, cluster.NodeState{}) },
		func() error { return b.hangs(ctx, b.name, b.acted) },
		func() error {
			select {
			case err := <-ended:
				return same("a program on it ended with an error", err != nil, true)
			case <-time.After(time.Second):
				return errors.New("a program on a node that is off still runs")
			}
		},
		func() error {
			var log bytes.Buffer
			err := b.Nodes().Logs(ctx, b.name, "kubelet", &log)
			return errors.Join(err, same("its kubelet has a log", log.Len() > 0, true))
		},
		func() error {
			_, err := b.onNode(ctx, b.name, "say", "alive")
			return same("running a program on it failed", err != nil, true)
		},
		func() error { return b.act(ctx, cluster.Start, on()) },
		func() error { return b.returned(ctx, startMost) },
		func() error { return b.rebooted(ctx) },
	)
}

func stopNode(ctx context.Context, b *borrowed) error {
	began := time.Now()
	return steps(
		func() error { return b.act(ctx, cluster.Stop, cluster.NodeState{}) },
		func() error { return within("stopping", time.Since(began), 0, cluster.StopGrace+15*time.Second) },
		func() error { return b.says(ctx, "holder", "broken") },
		func() error { return b.act(ctx, cluster.Start, on()) },
		func() error { return b.returned(ctx, startMost) },
		func() error { return b.rebooted(ctx) },
		// written by the container as it was asked to end
		func() error { return b.reads(ctx, "server", "/disk/term", "SIGTERM came") },
	)
}

func pauseNode(ctx context.Context, b *borrowed) error {
	return steps(
		func() error {
			return b.act(ctx, cluster.Pause, cluster.NodeState{Up: true, Paused: true, Linked: true})
		},
		func() error { return b.hangs(ctx, b.name, b.acted) },
		func() error { return b.act(ctx, cluster.Resume, on()) },
		func() error { return b.returned(ctx, resumeMost) },
		func() error { return b.says(ctx, "holder", "late") },
	)
}

func cutOff(ctx context.Context, b *borrowed) error {
	return steps(
		func() error { return b.act(ctx, cluster.CutOff, cluster.NodeState{Up: true}) },
		func() error { return b.hangs(ctx, b.name, b.acted) },
		func() error { return b.act(ctx, cluster.Reconnect, on()) },
		func() error { return b.returned(ctx, reconnectMost) },
		func() error { return b.says(ctx, "holder", "late") },
	)
}
