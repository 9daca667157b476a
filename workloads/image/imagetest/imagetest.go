// Package imagetest serves images to tests as a registry does. It is for tests
// alone, and for loopback.
package imagetest

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// Serve starts a registry on the loopback that holds the image of a
// docker-archive under a name such as "team/app:v1". It returns the registry's
// host, as in an image's reference, and what stops it.
func Serve(archive, as string) (host string, stop func(), err error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return "", nil, fmt.Errorf("opening a registry: %w", err)
	}
	server := &http.Server{
		Handler:           registry.New(registry.Logger(log.New(io.Discard, "", 0))),
		ReadHeaderTimeout: time.Minute,
	}
	go func() { _ = server.Serve(l) }() // until stop
	stop = func() { server.Close() }
	host = l.Addr().String()
	img, err := tarball.ImageFromPath(archive, nil)
	if err != nil {
		stop()
		return "", nil, fmt.Errorf("reading the image %s: %w", archive, err)
	}
	ref, err := name.ParseReference(host + "/" + as)
	if err == nil {
		err = remote.Write(ref, img)
	}
	if err != nil {
		stop()
		return "", nil, fmt.Errorf("giving the registry %s: %w", as, err)
	}
	return host, stop, nil
}
