package kind

import (
	"context"
	"fmt"

	"squall/cluster"
	"squall/cluster/hostroom"
	"squall/cluster/kind/engine"
)

// watchers are the inotify instances that nodes take, counted on a cluster that
// was up: systemd, containerd, kubelet, kube-proxy and Squall's own part of a node
// hold 14, the control plane's programs and metrics-server 14 more.
func watchers() hostroom.Watchers { return hostroom.Watchers{Node: 14, ControlPlane: 14} }

// checkRoom refuses what this host has no room for. Where the engine's machine is
// another, what it has is not known here.
func checkRoom(spec cluster.Spec) []error {
	errs := []error{hostroom.CheckProcessors(spec), watchers().Check(spec)}
	if m, err := hostroom.ReadMemory(); err == nil {
		errs = append(errs, m.Check(spec))
	}
	return errs
}

// leastFree is the share of the engine's disk that volumes leave free.
const leastFree = 0.1

// volumeSpace is how many bytes the volumes of each of so many nodes may have
// together: an equal share of what is free on the engine's disk, beyond what must
// stay free. Where that disk is another machine's, volumes have what they ask for
// and the disk tells when it is full.
func volumeSpace(ctx context.Context, nodes int) (int64, error) {
	found, err := engine.Look(ctx)
	if err != nil {
		return 0, err
	}
	if found.DiskTotal == 0 {
		return 1 << 40, nil
	}
	free := float64(found.DiskFree) - leastFree*float64(found.DiskTotal)
	return int64(max(free, 0)) / int64(nodes), nil
}

// balancerImage is the image of the load balancer that kind puts before several
// API servers (kind v0.33: pkg/cluster/internal/loadbalancer/const.go).
const balancerImageRef = "docker.io/envoyproxy/envoy:v1.36.2"

// checkBalancer refuses several control-plane nodes where the image of the load
// balancer before them is neither there nor to be had.
func checkBalancer(ctx context.Context, spec cluster.Spec) error {
	if spec.ControlPlanes <= 1 {
		return nil
	}
	if _, err := docker(ctx, "image", "inspect", "--format", "{{.Id}}", balancerImageRef); err == nil {
		return nil
	}
	if _, err := docker(ctx, "pull", "--quiet", balancerImageRef); err != nil {
		return fmt.Errorf("%d control-plane nodes asked for: kind puts a load balancer before them whose image, %s, is not here and cannot be pulled; pull it where a registry answers, or use the provider embedded, which needs none: %w: %w",
			spec.ControlPlanes, balancerImageRef, cluster.ErrUnsupported, err)
	}
	return nil
}
