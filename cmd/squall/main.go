// Command squall tells whether a system on Kubernetes keeps its promises while
// things break. README.md is the way in; "squall help" lists the verbs.
//
// The package turns arguments into one call and its outcome into an exit code.
// Each verb is a file, named after it, with its help text on top. What the
// verbs do is in the packages below the module's root.
package main

import (
	"context"
	"os"

	"squall/cluster/embedded"
	"squall/cluster/kind"
	"squall/cluster/kind/engine"
)

func main() {
	if code, part := embedded.Main(os.Args); part {
		os.Exit(code)
	}
	if code, part := engine.Main(os.Args); part {
		os.Exit(code)
	}
	if code, part := kind.Main(os.Args); part {
		os.Exit(code)
	}
	closeInherited()
	ctx := interruptible(context.Background(), os.Stderr, os.Exit)
	os.Exit(app(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
