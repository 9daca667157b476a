package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"squall/cluster/embedded"
	"squall/cluster/kind"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain lets scripts start this test program as squall, and squall start it
// as a part of a cluster.
func TestMain(m *testing.M) {
	if code, handled := embedded.Main(os.Args); handled {
		os.Exit(code)
	}
	if code, handled := kind.Main(os.Args); handled {
		os.Exit(code)
	}
	testscript.Main(m, map[string]func(){"squall": main})
}

// TestScripts runs the program as a user would: the scripts below
// testdata/script, with their files inline.
func TestScripts(t *testing.T) {
	t.Parallel()
	record, err := filepath.Abs("testdata/run")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Setenv("SQUALL_CACHE", filepath.Join(env.WorkDir, "cache"))
			env.Setenv("RECORD", record)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits,
			"big":   big,
		},
	})
}

// exits runs a program and wants an exit code: exits 2 squall plan.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARGUMENTS...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	err = ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got, err = exit.ExitCode(), nil
	}
	ts.Check(err)
	if got != want {
		ts.Fatalf("%v exited with %d and not %d", args[1:], got, want)
	}
}

// big makes a file of that many bytes, all zero: big FILE BYTES.
func big(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: big FILE BYTES")
	}
	size, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	f, err := os.Create(ts.MkAbs(args[0]))
	ts.Check(err)
	ts.Check(f.Truncate(size))
	ts.Check(f.Close())
}
