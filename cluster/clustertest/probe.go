package clustertest

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"path/filepath"

	"squall/workloads/image"
	"squall/workloads/image/cache"
	"squall/workloads/image/gobuild"
)

// source is the program that runs in the suite's pods, with its own go.mod.
//
//go:embed probe
var source embed.FS

// probeRef is its image as pods name it.
const probeRef = "squall.local/clustertest:v1"

// probe is the suite's program: as a file on the host, for nodes, and as an
// image.
type probe struct {
	path  string
	image image.Image
}

// makeProbe compiles the program and packs its image, or finds both.
func makeProbe(ctx context.Context, dir string) (probe, error) {
	module, err := fs.Sub(source, "probe")
	if err != nil {
		return probe{}, err
	}
	target := gobuild.Target{Name: "clustertest", Source: module, Programs: []gobuild.Program{{Name: "probe"}}}
	entry, err := target.Build(ctx, cache.Store{Dir: filepath.Join(dir, "clustertest")})
	if err != nil {
		return probe{}, fmt.Errorf("compiling: %w", err)
	}
	p := probe{path: entry.Path("probe")}
	p.image, err = image.Builder{Dir: filepath.Join(dir, "images")}.FromBinary(ctx, image.Binary{
		Name: "probe", Ref: probeRef, Path: p.path, User: "0:0", // checks write where pods usually cannot
	})
	return p, err
}
