package kind

import (
	"context"
	"fmt"
	"os/exec"

	"squall/cluster"
	"squall/cluster/capability"
	"squall/cluster/stoppods"
)

// tellGrowth writes 1 when a volume that is mounted can grow here, else 0.
func tellGrowth(context.Context, ...string) error {
	n := 0
	if capability.SysResource() {
		n = 1
	}
	fmt.Println(n)
	return nil
}

// stopAll ends what runs on the node, in order: first what would start things
// again, then the containers. Nobody tells the API.
func stopAll(ctx context.Context, _ ...string) error {
	if out, err := exec.CommandContext(ctx, "systemctl", "stop", "kubelet", nodeName).CombinedOutput(); err != nil {
		return fmt.Errorf("stopping the kubelet: %w: %s", err, out)
	}
	stoppods.Stop(ctx, cluster.StopGrace)
	return nil
}
