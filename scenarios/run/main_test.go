package run

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"testing"

	"squall/cluster/embedded"
	"squall/scenarios/oracle"
	"squall/workloads/traffic"
)

// TestMain lets this test program be all the processes that a run consists of:
// the parts of embedded clusters, and the load generator.
func TestMain(m *testing.M) {
	if code, handled := embedded.Main(os.Args); handled {
		os.Exit(code)
	}
	if len(os.Args) >= 2 && os.Args[1] == "traffic" {
		if err := traffic.Main(context.Background(), os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if len(os.Args) >= 2 && os.Args[1] == "silent" { // a generator that takes orders and sends nothing
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}
	if len(os.Args) == 2 && os.Args[1] == "flags" {
		started, err := oracle.Started("/proc")
		if err == nil {
			err = json.NewEncoder(os.Stdout).Encode(started)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}
