package kind

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// container is what the engine knows of a node's container.
type container struct {
	ID    string `json:"Id"`
	Name  string
	State struct {
		Running, Paused bool
		OOMKilled       bool
		ExitCode        int
		Status          string
	}
	Config struct {
		Image  string
		Labels map[string]string
	}
	HostConfig struct {
		NetworkMode string
		Binds       []string
	}
	NetworkSettings struct {
		Networks map[string]struct {
			IPAddress  string
			IPAMConfig *struct{ IPv4Address string }
		}
	}
}

// name is the container's name; the engine says it with a slash.
func (c container) name() string { return strings.TrimPrefix(c.Name, "/") }

// ended tells whether the container ran and does so no longer (Docker Engine API,
// State.Status).
func (c container) ended() bool { return c.State.Status == "exited" || c.State.Status == "dead" }

// address is the container's address on a cluster's network; zero when it has
// none now.
func (c container) address(cluster string) netip.Addr {
	n := c.NetworkSettings.Networks[networkName(cluster)]
	a, err := netip.ParseAddr(n.IPAddress)
	if err != nil && n.IPAMConfig != nil {
		a, _ = netip.ParseAddr(n.IPAMConfig.IPv4Address)
	}
	return a
}

// inspect returns containers by name or ID.
func inspect(ctx context.Context, names ...string) ([]container, error) {
	if len(names) == 0 {
		return nil, nil
	}
	out, err := docker(ctx, append([]string{"container", "inspect"}, names...)...)
	if err != nil {
		return nil, err
	}
	var all []container
	if err := json.Unmarshal([]byte(out), &all); err != nil {
		return nil, fmt.Errorf("reading what docker says of containers: %w", err)
	}
	return all, nil
}

// containersOf lists the containers that kind has made for a cluster of that
// name, whoever called it, running or not.
func containersOf(ctx context.Context, cluster string) ([]container, error) {
	ids, err := docker(ctx, "ps", "--all", "--quiet", "--no-trunc", "--filter", "label="+kindCluster+"="+cluster)
	if err != nil {
		return nil, err
	}
	return inspectLiving(ctx, lines(ids))
}

// inspectLiving is inspect for containers that may go away meanwhile.
func inspectLiving(ctx context.Context, ids []string) ([]container, error) {
	var found []container
	for _, id := range ids {
		c, err := inspect(ctx, id)
		if err != nil && strings.Contains(strings.ToLower(err.Error()), "no such container") {
			continue
		}
		if err != nil {
			return nil, err
		}
		found = append(found, c...)
	}
	return found, nil
}

// split parts containers by whether they hang on the cluster's own network. A
// container that was made and whose network is gone still names it.
func split(cluster string, all []container) (ours, others []container) {
	for _, c := range all {
		if c.HostConfig.NetworkMode == networkName(cluster) {
			ours = append(ours, c)
		} else {
			others = append(others, c)
		}
	}
	return ours, others
}

// ids are the containers' IDs.
func ids(all []container) []string {
	found := make([]string, len(all))
	for i, c := range all {
		found[i] = c.ID
	}
	slices.Sort(found)
	return found
}
