package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"squall/reports"
	"squall/scenarios"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
)

const (
	// usageEvery is the time between two rounds of questions to the kubelets, which
	// measure every 10 s (cadvisor's housekeeping interval) and do not tell when
	// they have: twice as often, no measurement is missed.
	usageEvery = 5 * time.Second
	// usageLimit bounds one question. Over the API server's proxy it takes some
	// milliseconds.
	usageLimit = 2 * time.Second
	// maxUsagePods bounds the pods that are told of one node; a kubelet allows 110.
	maxUsagePods = 200
	// maxUnread bounds why a node told nothing.
	maxUnread = 256
)

// kubeletSummary is what is read of a kubelet's summary (k8s 1.36,
// k8s.io/kubelet/pkg/apis/stats/v1alpha1).
type kubeletSummary struct {
	Node kubeletUsage   `json:"node"`
	Pods []kubeletUsage `json:"pods"`
}

// kubeletUsage is what a node, or a pod, used; nil is not known.
type kubeletUsage struct {
	PodRef struct {
		Name      string    `json:"name"`
		Namespace string    `json:"namespace"`
		UID       types.UID `json:"uid"`
	} `json:"podRef"`
	CPU *struct {
		UsageNanoCores *uint64 `json:"usageNanoCores"`
	} `json:"cpu"`
	Memory *struct {
		WorkingSetBytes *uint64 `json:"workingSetBytes"`
	} `json:"memory"`
}

// told are its figures; ok is false while one of them is not known. Kubelets tell
// 0 of what they have not measured, but nothing that runs has no memory.
func (u kubeletUsage) told() (cores float64, bytes int64, ok bool) {
	if u.CPU == nil || u.CPU.UsageNanoCores == nil || u.Memory == nil || u.Memory.WorkingSetBytes == nil || *u.Memory.WorkingSetBytes == 0 {
		return 0, 0, false
	}
	return float64(*u.CPU.UsageNanoCores) / 1e9, int64(min(*u.Memory.WorkingSetBytes, math.MaxInt64)), true
}

// followUsage records what nodes and pods use, a round every 5 s, until ctx ends.
func (r *recorder) followUsage(ctx context.Context, client kubernetes.Interface) {
	tick := time.NewTicker(usageEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			r.recordUsage(ctx, func(ctx context.Context, node string) ([]byte, error) {
				return client.CoreV1().RESTClient().Get().AbsPath("/api/v1/nodes", node, "proxy", "stats", "summary").
					Param("only_cpu_and_memory", "true").MaxRetries(0).DoRaw(ctx)
			})
		}
	}
}

// recordUsage asks every node at once and records what each says. One that does
// not answer is recorded as such: what it used is not known.
func (r *recorder) recordUsage(ctx context.Context, ask func(ctx context.Context, node string) ([]byte, error)) {
	at := r.clock.now()
	nodes := r.nodeNames()
	entries := make([]reports.UsageEntry, len(nodes))
	limited, cancel := context.WithTimeoutCause(ctx, usageLimit, fmt.Errorf("no answer within %s", usageLimit))
	defer cancel()
	var asking sync.WaitGroup
	for i, node := range nodes {
		asking.Go(func() {
			raw, err := ask(limited, node)
			if err == nil {
				entries[i], err = r.usageEntry(node, raw)
			}
			if err != nil {
				if limited.Err() != nil {
					err = context.Cause(limited)
				}
				entries[i] = reports.UsageEntry{Node: node, Unread: bounded(err.Error(), maxUnread)}
			}
		})
	}
	asking.Wait()
	if ctx.Err() != nil {
		return // what was not answered by then says nothing
	}
	for i := range entries {
		r.add(reports.Entry{At: at, Kind: reports.KindUsage, Usage: &entries[i]})
	}
}

// nodeNames are the nodes that are there, sorted.
func (r *recorder) nodeNames() (names []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for name, node := range r.nodes {
		if !node.Deleted {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// usageEntry reads a kubelet's summary.
func (r *recorder) usageEntry(node string, raw []byte) (reports.UsageEntry, error) {
	var summary kubeletSummary
	if err := json.Unmarshal(raw, &summary); err != nil {
		return reports.UsageEntry{}, fmt.Errorf("its kubelet's summary cannot be read: %w", err)
	}
	entry := reports.UsageEntry{Node: node}
	var ok bool
	if entry.CPU, entry.Memory, ok = summary.Node.told(); !ok || entry.CPU == 0 { // a node is never idle
		return reports.UsageEntry{}, errors.New("its kubelet has not measured it yet")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range summary.Pods {
		cores, bytes, ok := p.told()
		if !ok || p.PodRef.Namespace != scenarios.Namespace {
			continue
		}
		used := reports.PodUsage{Pod: p.PodRef.Namespace + "/" + p.PodRef.Name, CPU: cores, Memory: bytes}
		if life := r.pods[p.PodRef.UID]; life != nil {
			used.Role = life.role
		}
		entry.Pods = append(entry.Pods, used)
	}
	slices.SortFunc(entry.Pods, func(a, b reports.PodUsage) int { return strings.Compare(a.Pod, b.Pod) })
	entry.Pods = entry.Pods[:min(len(entry.Pods), maxUsagePods)]
	return entry, nil
}
