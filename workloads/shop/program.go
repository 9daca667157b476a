package shop

import (
	"embed"
	"io/fs"

	"squall/workloads/image"
)

// Version is the version that the shop's answers carry in X-Version, and the
// tag of its image.
const Version = "v1"

// source is the program with its own go.mod, so that it can be built on any
// machine that has Go, wherever Squall was built. The files are listed one by
// one because a pattern would take the tests along; a test keeps the list
// complete.
//
//go:embed server/go.mod.txt server/go.sum.txt
//go:embed server/catalog.go server/cost.go server/cost_linux.go server/cost_other.go server/gateway.go server/handler.go server/main.go
//go:embed server/metrics.go server/serve.go server/settings.go
//go:embed server/tls.go
var source embed.FS

// Program is the shop's program, to be made an image of.
func Program() image.Program {
	module, err := fs.Sub(source, "server")
	if err != nil { // only an invalid folder name makes an error
		panic(err)
	}
	return image.Program{
		Name:   "shop",
		Ref:    "squall.local/shop:" + Version,
		Source: module,
		Env:    []string{"SHOP_VERSION=" + Version},
	}
}
