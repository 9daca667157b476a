package kind

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"net/netip"
	"strings"

	"squall/cluster"
)

// Labels of a cluster's network. It is made before and removed after all else, so
// that whatever of a cluster is there can be found by it.
const (
	labelCluster = "dev.squall.cluster" // the cluster's name
	labelFolder  = "dev.squall.folder"  // its state folder
	// kindCluster is the label that kind gives to its nodes
	// (kind v0.33: pkg/cluster/internal/providers/docker/constants.go).
	kindCluster = "io.x-k8s.kind.cluster"
)

// networkName is the name of a cluster's Docker network.
func networkName(cluster string) string { return "squall-" + cluster }

// subnets are where clusters' networks are looked for: 198.18.0.0/15 is for
// tests of networks (RFC 2544), so that no real one is hidden by it.
const (
	subnetFirst = "198.18.0.0"
	subnetCount = 512
)

// subnetAt is the i-th of the subnets, a /24.
func subnetAt(i int) netip.Prefix {
	a := netip.MustParseAddr(subnetFirst).As4()
	i %= subnetCount
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{a[0], a[1] + byte(i>>8), byte(i), 0}), 24)
}

// makeNetwork makes a cluster's network on the first subnet, from one that its
// name chooses, that the engine finds to be free. Nodes reach nothing outside it
// unless outside says so.
func makeNetwork(ctx context.Context, name, folder string, outside bool) error {
	h := fnv.New32a()
	_, _ = h.Write([]byte(name)) // never fails
	first := int(h.Sum32() % subnetCount)
	args := []string{"network", "create", "--driver", "bridge",
		"--label", labelCluster + "=" + name, "--label", labelFolder + "=" + folder,
		"--opt", fmt.Sprintf("com.docker.network.bridge.enable_ip_masquerade=%t", outside)}
	var last error
	for i := range subnetCount {
		_, err := docker(ctx, append(args, "--subnet", subnetAt(first+i).String(), networkName(name))...)
		if err == nil {
			return nil
		}
		last = err
		if said := strings.ToLower(err.Error()); !strings.Contains(said, "overlap") {
			break
		}
	}
	return fmt.Errorf("making the network of cluster %q: %w", name, last)
}

// network is what the engine knows of a cluster's network.
type network struct {
	ID, Name string
	Labels   map[string]string
	IPAM     struct{ Config []struct{ Subnet string } }
}

// ours tells whether a network was made by [makeNetwork].
func (n network) ours() bool {
	name := n.Labels[labelCluster]
	return name != "" && n.Name == networkName(name)
}

// subnet is the IPv4 subnet of a network.
func (n network) subnet() (netip.Prefix, error) {
	if len(n.IPAM.Config) == 0 {
		return netip.Prefix{}, fmt.Errorf("the network %s has no subnet", n.Name)
	}
	return netip.ParsePrefix(n.IPAM.Config[0].Subnet)
}

// networks lists the networks that were made for clusters.
func networks(ctx context.Context) ([]network, error) {
	ids, err := docker(ctx, "network", "ls", "--quiet", "--filter", "label="+labelCluster)
	if err != nil || ids == "" {
		return nil, err
	}
	var found []network
	for _, id := range lines(ids) {
		n, err := inspectNetwork(ctx, id)
		if errors.Is(err, cluster.ErrNotFound) { // removed meanwhile
			continue
		}
		if err != nil {
			return nil, err
		}
		if n.ours() {
			found = append(found, n)
		}
	}
	return found, nil
}

// inspectNetwork returns a network by name or ID; an error that wraps
// [cluster.ErrNotFound] when there is none.
func inspectNetwork(ctx context.Context, name string) (network, error) {
	out, err := docker(ctx, "network", "inspect", name)
	if err != nil {
		if strings.Contains(strings.ToLower(err.Error()), "no such network") || strings.Contains(err.Error(), "not found") {
			return network{}, fmt.Errorf("%w: %w", cluster.ErrNotFound, err)
		}
		return network{}, err
	}
	var all []network
	if err := json.Unmarshal([]byte(out), &all); err != nil || len(all) != 1 {
		return network{}, fmt.Errorf("reading what docker says of the network %s: %d of them: %w", name, len(all), err)
	}
	return all[0], nil
}
