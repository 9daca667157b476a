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

func nodeChecks() []Check {
	return []Check{
		{Name: "nodes/exec", Says: "programs run on the node that is named, with its files when asked, and end with their context", Smoke: true, on: execs},
		{Name: "nodes/exec urgently", Says: "a program that keeps time comes before all else on the host", on: execsUrgently},
		{Name: "nodes/logs", Says: "the log of each of a node's programs can be read", Smoke: true, on: logs},
		{Name: "nodes/pod processes", Says: "a pod's processes are counted, and are gone with it", on: podProcesses},
		{Name: "nodes/unknown", Says: "acting on a node that does not exist says so", on: unknownNode},
		{Name: "nodes/power-off and start", Says: "connections hang, the node is NotReady in time, comes back with its address and disks", stage: onNodes, on: borrowing(powerOff)},
		{Name: "nodes/stop and start", Says: "what runs on the node is asked to end, and comes back", stage: onNodes, on: borrowing(stopNode)},
		{Name: "nodes/pause and resume", Says: "connections hang and go on", stage: onNodes, on: borrowing(pauseNode)},
		{Name: "nodes/cut-off and reconnect", Says: "connections hang and go on", stage: onNodes, on: borrowing(cutOff)},
		{Name: "nodes/add and remove", Says: "a worker joins; removed under load it is gone, and its name not used again", stage: onNodes, on: addAndRemove},
	}
}

// clientHost is the first control-plane node.
func (l *lab) clientHost() cluster.Node {
	for _, n := range l.Info().Nodes {
		if n.ControlPlane {
			return n
		}
	}
	return cluster.Node{}
}

// inside runs the suite's program on a node with the node's own files.
func (l *lab) inside(ctx context.Context, node string, args ...string) (string, error) {
	var stdout, stderr bytes.Buffer
	err := l.Exec(ctx, cluster.Exec{Node: node, Inside: true, Argv: append([]string{l.probe.path}, args...), Stdout: &stdout, Stderr: &stderr})
	if err != nil {
		err = fmt.Errorf("inside node %q, %s: %w: %s", node, strings.Join(args, " "), err, stderr.String())
	}
	return strings.TrimSpace(stdout.String()), err
}

func execs(ctx context.Context, s *scope) error {
	worker := s.workers()[0]
	if err := s.apply(ctx, podManifest("here", worker, "sleep")); err != nil {
		return err
	}
	if err := s.podReady(ctx, "here"); err != nil {
		return err
	}
	p, err := s.client.CoreV1().Pods(s.ns).Get(ctx, "here", metav1.GetOptions{})
	if err != nil {
		return err
	}
	for _, n := range s.Info().Nodes {
		out, err := s.inside(ctx, n.Name, "list", "/var/lib/kubelet/pods")
		if err != nil {
			return err
		}
		if err := same("the kubelet of "+n.Name+" has the pod", strings.Contains(out, string(p.UID)), n.Name == worker); err != nil {
			return err
		}
	}
	short, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	began := time.Now()
	_, endless := s.onNode(short, worker, "sleep")
	return steps(
		func() error { return same("a program that ran too long failed", endless != nil, true) },
		func() error { return within("ending it", time.Since(began), 2*time.Second, 8*time.Second) },
	)
}

// realTime is SCHED_RR (sched(7)).
const realTime = "2"

func execsUrgently(ctx context.Context, s *scope) error {
	for urgent, wanted := range map[bool]string{false: "0", true: realTime} {
		var out bytes.Buffer
		if err := s.Exec(ctx, cluster.Exec{Argv: []string{s.probe.path, "policy"}, Urgent: urgent, Stdout: &out}); err != nil {
			return err
		}
		if err := same(fmt.Sprintf("the scheduling policy of a program when urgent is %t", urgent), strings.TrimSpace(out.String()), wanted); err != nil {
			return err
		}
	}
	return nil
}

func logs(ctx context.Context, s *scope) error {
	for _, n := range s.Info().Nodes {
		programs := []string{"kubelet", "containerd", "kube-proxy"}
		if n.ControlPlane {
			programs = append(programs, "etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
		}
		for _, program := range programs {
			var log bytes.Buffer
			if err := s.Nodes().Logs(ctx, n.Name, program, &log); err != nil {
				return err
			}
			if log.Len() == 0 {
				return fmt.Errorf("the log of %s on %s is empty", program, n.Name)
			}
		}
	}
	return refused("the log of a program that does not exist", s.Nodes().Logs(ctx, s.workers()[0], "absent", &bytes.Buffer{}), "absent")
}

func podProcesses(ctx context.Context, s *scope) error {
	worker := s.workers()[0]
	if err := s.apply(ctx, podManifest("counted", worker, "sleep")); err != nil {
		return err
	}
	if err := s.podReady(ctx, "counted"); err != nil {
		return err
	}
	p, err := s.client.CoreV1().Pods(s.ns).Get(ctx, "counted", metav1.GetOptions{})
	if err != nil {
		return err
	}
	used, err := s.CPUSeconds()
	if err != nil || used <= 0 {
		return fmt.Errorf("the cluster's processor time: %v, %w", used, orNone(err))
	}
	count := func() (int, error) { return s.PodProcesses(ctx, worker, string(p.UID)) }
	// the pod's sandbox and the program
	if n, err := count(); err != nil || n < 1 || n > 2 {
		return fmt.Errorf("a pod of one program has %d processes, %w", n, orNone(err))
	}
	if _, err := s.deletePod(ctx, "counted"); err != nil {
		return err
	}
	return until(ctx, 10*time.Second, "the pod's processes to be gone", func(context.Context) (string, error) {
		n, err := count()
		if n == 0 {
			return "", err
		}
		return fmt.Sprint(n), err
	})
}

func unknownNode(ctx context.Context, s *scope) error {
	errs := map[string]error{
		"exec":   s.Exec(ctx, cluster.Exec{Node: "worker-99", Argv: []string{s.probe.path, "say"}}),
		"logs":   s.Nodes().Logs(ctx, "worker-99", "kubelet", &bytes.Buffer{}),
		"remove": s.Nodes().Remove(ctx, "worker-99"),
	}
	for _, action := range cluster.NodeActions() {
		errs[string(action)] = s.Nodes().Act(ctx, "worker-99", action)
	}
	for what, err := range errs {
		if !errors.Is(err, cluster.ErrNoNode) {
			return fmt.Errorf("%s on a node that does not exist: wanted an error that wraps cluster.ErrNoNode, got %w", what, orNone(err))
		}
	}
	if err := s.Nodes().Remove(ctx, s.clientHost().Name); err == nil {
		return errors.New("the client host was removed")
	}
	return nil
}

func addAndRemove(ctx context.Context, s *scope) error {
	n, err := s.Nodes().Add(ctx)
	if err != nil {
		return err
	}
	for _, other := range s.first {
		if other.Name == n.Name || other.Address == n.Address {
			return fmt.Errorf("the node that was added, %+v, is like one that was there, %+v", n, other)
		}
	}
	if err := s.becomes(ctx, n.Name, true, startMost); err != nil {
		return err
	}
	return steps(
		func() error { return s.apply(ctx, podManifest("new", n.Name, "serve")) },
		func() error { return s.podReady(ctx, "new") },
		func() error {
			return answers(ctx, 10*time.Second, "10.", func(ctx context.Context) (string, error) {
				return s.exec(ctx, "new", "resolve", "kubernetes.default.svc.cluster.local.")
			})
		},
		func() error { return s.removeUnderLoad(ctx, n) },
		func() error {
			again, err := s.Nodes().Add(ctx)
			if err != nil {
				return err
			}
			if again.Name == n.Name {
				return fmt.Errorf("the name %s was used again", n.Name)
			}
			return errors.Join(s.Nodes().Remove(ctx, again.Name), s.forget(ctx, again.Name))
		},
	)
}

// removeUnderLoad removes a node that a connection is in use to.
func (s *scope) removeUnderLoad(ctx context.Context, n cluster.Node) error {
	if err := s.hold(ctx, "new"); err != nil {
		return err
	}
	began := time.Now()
	if err := s.Nodes().Remove(ctx, n.Name); err != nil {
		return err
	}
	if err := s.hangs(ctx, n.Name, moment{began, time.Now()}); err != nil {
		return err
	}
	states, err := s.Nodes().States(ctx)
	if err != nil {
		return err
	}
	for _, st := range states {
		if st.Name == n.Name {
			return fmt.Errorf("%s was removed and is listed: %+v", n.Name, st)
		}
	}
	object, err := s.client.CoreV1().Nodes().Get(ctx, n.Name, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("the Node object of a lost machine: %w", err)
	}
	if isNodeReady(object) {
		return fmt.Errorf("the node %s is lost and Ready", n.Name)
	}
	if err := s.Nodes().Act(ctx, n.Name, cluster.Start); !errors.Is(err, cluster.ErrNoNode) {
		return fmt.Errorf("starting a node that was removed: wanted an error that wraps cluster.ErrNoNode, got %w", orNone(err))
	}
	return s.forget(ctx, n.Name)
}

// forget deletes a Node object, when it is there.
func (s *scope) forget(ctx context.Context, node string) error {
	err := s.client.CoreV1().Nodes().Delete(ctx, node, metav1.DeleteOptions{})
	if err != nil && !strings.Contains(err.Error(), "not found") {
		return err
	}
	return nil
}

func isNodeReady(n *corev1.Node) bool {
	for _, c := range n.Status.Conditions {
		if c.Type == corev1.NodeReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}
