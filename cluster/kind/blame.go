package kind

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"squall/cluster"
	"squall/cluster/kind/engine"
)

// blameEngine adds to the error of a cluster that did not come up that the engine
// went away meanwhile, or that a node's container ended, if it is so. Both are
// nothing that Squall does, so the error wraps [cluster.ErrHost] then. An engine
// that was restarted answers again, but has ended all containers.
func blameEngine(ctx context.Context, name string, failed error) error {
	all, err := containersOf(ctx, name)
	if errors.Is(failed, engine.ErrStopped) || errors.Is(err, engine.ErrStopped) {
		return fmt.Errorf("%w: the Docker engine went away while the cluster came up, something stopped or restarted it: %s", cluster.ErrHost, firstLine(failed))
	}
	ours, _ := split(name, all)
	for _, c := range ours {
		if c.ended() {
			return fmt.Errorf("%w: the container %s ended (exit code %d) while the cluster came up, something killed it or restarted the Docker engine: %s",
				cluster.ErrHost, c.name(), c.State.ExitCode, firstLine(failed))
		}
	}
	return failed
}

// blameContainer adds to the error of a program in a node that the engine went away
// under it, or that the node's container ended, if it is so.
func (h *handle) blameContainer(ctx context.Context, node string, failed error) error {
	ctx, cancel := context.WithTimeout(ctx, usageDeadline)
	defer cancel()
	all, err := inspect(ctx, h.container(node))
	if errors.Is(err, engine.ErrStopped) {
		return fmt.Errorf("%w: the Docker engine went away, something stopped or restarted it: %w", cluster.ErrHost, failed)
	}
	if len(all) == 1 && all[0].ended() {
		return fmt.Errorf("the node's container ended (exit code %d), by a fault, or something killed it or restarted the Docker engine: %w", all[0].State.ExitCode, failed)
	}
	return failed
}

// firstLine is an error without what programs said that could not go on: it tells
// what they met, not why.
func firstLine(err error) string {
	line, _, more := strings.Cut(err.Error(), "\n")
	if more {
		line += " …"
	}
	return line
}
