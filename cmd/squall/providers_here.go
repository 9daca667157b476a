package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"

	"squall/cluster/embedded"
	"squall/cluster/kind"
	"squall/cluster/kind/engine"
	"squall/cluster/kind/nodeimage"
)

// embeddedSource is the provider of embedded clusters, which belong to root.
func embeddedSource(cache string) source {
	return source{
		provider: embedded.New(cache), name: embedded.Name,
		look:  func(context.Context) error { return lookEmbedded(runtime.GOOS, os.Geteuid()) },
		facts: func(context.Context) []embedded.Fact { return embedded.Facts(cache) },
	}
}

// lookEmbedded says why a user cannot look at embedded clusters. Where there can
// be none, anybody can.
func lookEmbedded(system string, user int) error {
	if system != "linux" || user == 0 {
		return nil
	}
	return unfit(errors.New("only root may see and touch embedded clusters"), "run the same command with sudo")
}

// kindSource is the provider of clusters by kind, which belong to who may use
// Docker and has the cache folder.
func kindSource(cache string) source {
	return source{
		provider: kind.New(cache), name: kind.Name,
		look: func(ctx context.Context) error {
			_, err := engine.Look(ctx)
			return lookKind(err)
		},
		facts: func(ctx context.Context) []embedded.Fact {
			found, err := engine.Look(ctx)
			return judgeEngine(found, err)
		},
		forget: forgetNodeImages,
	}
}

// lookKind says why a user cannot look at clusters by kind, from what looking for
// Docker came to. A Docker that is too full to make a cluster shows those that
// are up.
func lookKind(err error) error {
	switch {
	case err == nil, errors.Is(err, engine.ErrDisk):
		return nil
	case errors.Is(err, engine.ErrAbsent), errors.Is(err, engine.ErrStopped):
		return fmt.Errorf("%w: %w", errIdle, err)
	}
	return unfit(fmt.Errorf("only who may use Docker may see and touch kind clusters: %w", err), `"squall doctor" says what kind clusters need`)
}

// forgetNodeImages removes the node images that are in Docker, or only lists them.
func forgetNodeImages(ctx context.Context, dry bool) ([]string, error) {
	found, err := nodeimage.List(ctx)
	for i, ref := range found {
		found[i] = "the node image " + ref + ", which is in Docker"
	}
	if err == nil && !dry {
		err = nodeimage.Remove(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("remove the node images that are in Docker: %w", err)
	}
	return found, nil
}

// kindFacts are what clusters by kind need, for doctor: all that can be said of the
// engine. Some of it is a guess where the engine is another machine's, so that
// [judgeEngine] alone refuses clusters.
func kindFacts(ctx context.Context) []embedded.Fact {
	var facts []embedded.Fact
	for _, f := range engine.Facts(ctx) {
		facts = append(facts, embedded.Fact{What: f.What, OK: f.OK, Way: f.Way})
	}
	return facts
}

// judgeEngine are facts from what looking for Docker came to: what no cluster can be
// without. They build on each other: after one that is not so nothing is known of
// the rest.
func judgeEngine(found engine.Engine, err error) []embedded.Fact {
	missing := 1 // that it answers, unless the error says otherwise
	switch {
	case err == nil:
		missing = 4
	case errors.Is(err, engine.ErrAbsent):
		missing = 0
	case errors.Is(err, engine.ErrForbidden):
		missing = 2
	case errors.Is(err, engine.ErrDisk):
		missing = 3
	}
	answers := "a Docker engine that answers"
	if found.Version != "" {
		answers += fmt.Sprintf(" (%s, %s, cgroup v%s)", found.Version, found.Driver, found.Cgroups)
	}
	facts := []embedded.Fact{
		{What: "program docker"}, {What: answers}, {What: "the right to use Docker"},
		{What: fmt.Sprintf("%d GiB free on the disk of Docker", engine.LeastDisk>>30)},
	}
	for i := range facts {
		facts[i].OK = i < missing
	}
	if missing < len(facts) {
		facts[missing].Way = err.Error()
		facts = facts[:missing+1]
	}
	return facts
}
