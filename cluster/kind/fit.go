package kind

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strconv"

	"squall/cluster"
	"squall/cluster/kind/engine"
)

// controlPlaneMemory is what the control plane takes beside the workers.
const controlPlaneMemory = 1 << 30

// memoryAvailable is the line of /proc/meminfo that tells it.
var memoryAvailable = regexp.MustCompile(`(?m)^MemAvailable:\s+(\d+) kB$`)

// checkMemory refuses workers that together may take more memory than the host
// has. A worker that says no size is not held to one, and not counted; where the
// engine's machine is another, its memory is not known here.
func checkMemory(spec cluster.Spec) error {
	b, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return nil
	}
	m := memoryAvailable.FindSubmatch(b)
	if m == nil {
		return nil
	}
	kilobytes, err := strconv.ParseInt(string(m[1]), 10, 64)
	if err != nil {
		return nil
	}
	each, control := spec.NodeMemory.Value(), int64(max(spec.ControlPlanes, 1))*controlPlaneMemory
	// Divided, not multiplied: workers of 4Ei together are more than a number holds.
	room := kilobytes<<10 - control
	if each <= 0 || each <= room/int64(max(spec.Workers, 1)) {
		return nil
	}
	return fmt.Errorf("%d workers of %s of memory and %.1f GiB for the control plane asked for: this host has %.1f GiB available, which is enough for %d such workers; ask for fewer or smaller ones, or end what uses memory",
		spec.Workers, spec.NodeMemory.String(), float64(control)/(1<<30), float64(kilobytes)/(1<<20), max(0, room)/each)
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
