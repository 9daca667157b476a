// Package image makes OCI images from Go programs, without Docker and without a
// registry.
//
// It is a leaf: cluster providers and workloads both import it, it imports
// nothing of Squall's.
package image

import (
	"context"
	"io/fs"
)

// Program is a Go program that becomes an image of one layer: the static
// binary at /<Name>, which is the entrypoint, run as user 65532.
type Program struct {
	// Name is the binary's name.
	Name string
	// Ref is the image's full reference as pods name it, for example
	// "squall.local/shop:v1".
	Ref string
	// Source is a module: go.mod, go.sum and the Go files. A name that ends in
	// ".txt" loses that ending when it is written out, since go:embed cannot
	// carry a go.mod.
	Source fs.FS
	// Package is the package to build, relative to the module; default ".".
	Package string
	// LDFlags are added to the linker's, for example "-X main.version=v1".
	LDFlags string
	// Env are the image's default environment.
	Env []string
}

// Image is a built image in the cache.
type Image struct {
	Ref string
	// Digest is that of the manifest, "sha256:…".
	Digest string
	// Archive is the path of a docker-archive tarball, complete and never
	// changed; containerd can import it.
	Archive string
}

// Builder builds images into a cache folder. Two builders at once, in one
// process or in several, are safe.
type Builder struct {
	// Dir is the cache folder, made when absent.
	Dir string
	// Progress, when not nil, is called with one sentence as work begins.
	Progress func(string)
}

var _ = context.Background
