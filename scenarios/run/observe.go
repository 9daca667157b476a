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
	r.mu.Lock()
	life := r.pods[types.UID(uid)]
	r.mu.Unlock()
	if life == nil {
		return 0, fmt.Errorf("the watch has never seen a pod with UID %s", uid)
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

// PodProcesses implements [chaos.Observer] by the node's kernel.
func (r *recorder) PodProcesses(ctx context.Context, node, uid string) (int, error) {
	return r.processes(ctx, node, uid)
}
