package run

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"squall/cluster"
	"squall/reports"
	"squall/scenarios"
	"squall/workloads"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// timersLimit bounds how long reading the cluster's timers may take; it runs
// beside warmup and takes a tenth of a second.
const timersLimit = 15 * time.Second

// startTimers reads in the background what predictions are made from, and records
// it, with what could not be read. The returned function waits until that is done.
func (c *conductor) startTimers(ctx context.Context) (wait func()) {
	var reading sync.WaitGroup
	if len(c.options.Flags) > 0 {
		reading.Go(func() {
			ctx, cancel := context.WithTimeoutCause(ctx, timersLimit, fmt.Errorf("not read within %s", timersLimit))
			defer cancel()
			entry := c.readTimers(ctx)
			if ctx.Err() == nil || len(entry.Missing) == 0 {
				c.add(reports.Entry{At: c.clock.now(), Kind: reports.KindTimers, Timers: &entry})
			}
		})
	}
	return reading.Wait
}

// readTimers reads all timers that it can.
func (c *conductor) readTimers(ctx context.Context) reports.TimersEntry {
	entry := reports.TimersEntry{Flags: map[string]map[string]string{}, Kubelets: []reports.KubeletTimers{}, Pods: []reports.PodTimers{}}
	note := func(what string, err error) {
		if err != nil {
			entry.Missing = append(entry.Missing, fmt.Sprintf("%s: %v", what, err))
		}
	}
	var err error
	entry.Flags, err = c.readFlags(ctx)
	note("the flags of the control plane", err)
	for _, node := range c.cluster.Info().Nodes {
		k, err := readKubelet(ctx, c.client, node)
		note("the configuration of the kubelet of "+node.Name, err)
		if err == nil {
			entry.Kubelets = append(entry.Kubelets, k)
		}
	}
	pods, err := c.client.CoreV1().Pods(scenarios.Namespace).List(ctx, metav1.ListOptions{})
	note("the pods", err)
	for _, role := range c.recorder.roles {
		if err != nil {
			break
		}
		at := slices.IndexFunc(pods.Items, func(p corev1.Pod) bool { return belongs(&p, role) })
		if at < 0 {
			note("the pods of workload "+role.Name, fmt.Errorf("there is none"))
			continue
		}
		entry.Pods = append(entry.Pods, podTimers(role, &pods.Items[at]))
	}
	slices.SortFunc(entry.Kubelets, func(a, b reports.KubeletTimers) int { return cmp.Compare(a.Node, b.Node) })
	slices.SortFunc(entry.Pods, func(a, b reports.PodTimers) int { return cmp.Compare(a.Workload, b.Workload) })
	return entry
}

// readFlags asks the client host with which flags the components run there.
func (c *conductor) readFlags(ctx context.Context) (map[string]map[string]string, error) {
	var out, said bytes.Buffer
	if err := c.cluster.Exec(ctx, cluster.Exec{Inside: true, Argv: c.options.Flags, Stdout: &out, Stderr: &said}); err != nil {
		return nil, fmt.Errorf("%w: %s", err, bytes.TrimSpace(said.Bytes()))
	}
	var flags map[string]map[string]string
	if err := json.Unmarshal(out.Bytes(), &flags); err != nil {
		return nil, fmt.Errorf("understand %q: %w", out.String(), err)
	}
	return flags, nil
}

// readKubelet asks a node's kubelet for the configuration that it runs with.
func readKubelet(ctx context.Context, client kubernetes.Interface, node cluster.Node) (reports.KubeletTimers, error) {
	raw, err := client.CoreV1().RESTClient().Get().Resource("nodes").Name(node.Name).SubResource("proxy").Suffix("configz").DoRaw(ctx)
	if err != nil {
		return reports.KubeletTimers{}, err
	}
	// The fields of kubelet.config.k8s.io/v1beta1 that bear on predictions.
	var c struct {
		Kubelet struct {
			NodeStatusUpdateFrequency metav1.Duration `json:"nodeStatusUpdateFrequency"`
			NodeLeaseDurationSeconds  int             `json:"nodeLeaseDurationSeconds"`
		} `json:"kubeletconfig"`
	}
	if err := json.Unmarshal(raw, &c); err != nil {
		return reports.KubeletTimers{}, err
	}
	return reports.KubeletTimers{
		Node: node.Name, ControlPlane: node.ControlPlane,
		Lease:        time.Duration(c.Kubelet.NodeLeaseDurationSeconds) * time.Second,
		StatusUpdate: c.Kubelet.NodeStatusUpdateFrequency.Duration,
	}, nil
}

// podTimers are the timers of a role's pods, read from a live one.
func podTimers(role workloads.Role, pod *corev1.Pod) reports.PodTimers {
	t := reports.PodTimers{Workload: role.Name, Start: role.Startup}
	if owner := metav1.GetControllerOf(pod); owner != nil {
		t.Controller = owner.Kind
	}
	if grace := pod.Spec.TerminationGracePeriodSeconds; grace != nil {
		t.Grace = time.Duration(*grace) * time.Second
	}
	for _, c := range pod.Spec.Containers {
		if p := c.ReadinessProbe; p != nil && time.Duration(p.PeriodSeconds)*time.Second >= t.Period {
			t.Period, t.Successes = time.Duration(p.PeriodSeconds)*time.Second, int(p.SuccessThreshold)
			t.InitialDelay = time.Duration(p.InitialDelaySeconds) * time.Second
		}
	}
	t.NotReady = tolerated(pod, corev1.TaintNodeNotReady)
	t.Unreachable = tolerated(pod, corev1.TaintNodeUnreachable)
	return t
}

// tolerated is how long a pod tolerates a NoExecute taint: the shortest time of the
// tolerations that match it, nil when for ever, zero when it does not.
func tolerated(pod *corev1.Pod, taint string) *reports.Offset {
	var shortest *reports.Offset
	matched := false
	for _, one := range pod.Spec.Tolerations {
		named := one.Key == taint || one.Key == "" && one.Operator == corev1.TolerationOpExists
		if !named || one.Effect != "" && one.Effect != corev1.TaintEffectNoExecute {
			continue
		}
		matched = true
		if one.TolerationSeconds == nil {
			continue
		}
		d := max(0, time.Duration(*one.TolerationSeconds)*time.Second)
		if shortest == nil || d < *shortest {
			shortest = &d
		}
	}
	if !matched {
		return new(reports.Offset)
	}
	return shortest
}
