package run

import (
	"context"
	"fmt"
	"time"

	"squall/chaos"

	"k8s.io/apimachinery/pkg/types"
)

var _ chaos.Observer = (*recorder)(nil)

// WaitPodGone implements [chaos.Observer] by the recorder's watch.
func (r *recorder) WaitPodGone(ctx context.Context, uid string) (time.Duration, error) {
	life, err := r.waitSeen(ctx, types.UID(uid))
	if err != nil {
		return 0, err
	}
	select {
	case <-life.gone:
		return life.goneAt, nil
	case <-ctx.Done():
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	seen := life.entry.Phase
	if life.entry.Terminating {
		seen = "terminating"
	}
	return 0, fmt.Errorf("last seen %s: %w", seen, context.Cause(ctx))
}

// waitSeen waits until the watch has seen a pod at all: it may be behind those
// who read the API themselves.
func (r *recorder) waitSeen(ctx context.Context, uid types.UID) (*podLife, error) {
	r.mu.Lock()
	life, wanted := r.pods[uid], r.awaited[uid]
	if life == nil && wanted == nil {
		wanted = make(chan struct{})
		r.awaited[uid] = wanted
	}
	r.mu.Unlock()
	if life != nil {
		return life, nil
	}
	select {
	case <-wanted:
	case <-ctx.Done():
		return nil, fmt.Errorf("the watch has never seen a pod with UID %s: %w", uid, context.Cause(ctx))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.pods[uid], nil
}

// PodProcesses implements [chaos.Observer] by the node's kernel.
func (r *recorder) PodProcesses(ctx context.Context, node, uid string) (int, error) {
	return r.processes(ctx, node, uid)
}

// AskNode implements [chaos.Observer] by the API server, which asks the node's
// kubelet.
func (r *recorder) AskNode(ctx context.Context, node string) (answers bool, heard string, err error) {
	return askNode(ctx, r.client, node)
}
