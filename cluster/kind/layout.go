package kind

import (
	"fmt"
	"strconv"
	"strings"

	"squall/cluster"
)

// layOut names the nodes of a cluster, control-plane nodes first, as those of
// every other provider are named.
func layOut(spec cluster.Spec) []cluster.Node {
	var nodes []cluster.Node
	for i := 1; i <= max(spec.ControlPlanes, 1); i++ {
		nodes = append(nodes, cluster.Node{Name: fmt.Sprintf("control-plane-%d", i), ControlPlane: true})
	}
	for i := 1; i <= spec.Workers; i++ {
		nodes = append(nodes, cluster.Node{Name: workerName(i)})
	}
	return nodes
}

func workerName(i int) string { return fmt.Sprintf("worker-%d", i) }

// clientHost is the first control-plane node, from where load comes.
const clientHost = "control-plane-1"

// containerName is what kind calls the container of a node: the first of a role
// has no number (kind v0.33: pkg/cluster/internal/providers/common/namer.go).
func containerName(cluster, node string) string {
	cut := strings.LastIndexByte(node, '-')
	if cut < 0 {
		return cluster + "-" + node
	}
	role, number := node[:cut], node[cut+1:]
	if n, err := strconv.Atoi(number); err != nil || n == 1 {
		number = ""
	}
	return cluster + "-" + role + number
}
