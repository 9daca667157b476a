package gobuild

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// CompileError says that the go command failed.
type CompileError struct {
	// Name is the target's.
	Name string
	// Argv is the command line.
	Argv []string
	// Output is all that it printed.
	Output string
	// Err is why it ended.
	Err error
}

// shownLines is how much of the compiler's output a message carries: the cause
// stands at its end.
const shownLines = 15

// Error is a sentence, the command's last lines and the way out.
func (e *CompileError) Error() string {
	lines := strings.Split(strings.TrimSpace(e.Output), "\n")
	lines = lines[max(0, len(lines)-shownLines):]
	return fmt.Sprintf("compile %s: %v; the last lines of %q:\n    %s\n%s",
		e.Name, e.Err, strings.Join(e.Argv[:2], " "), strings.Join(lines, "\n    "), e.hint())
}

// Unwrap is why the command ended.
func (e *CompileError) Unwrap() error { return e.Err }

// hint is what to do next, from what the go command is known to print.
func (e *CompileError) hint() string {
	has := func(parts ...string) bool {
		for _, p := range parts {
			if strings.Contains(e.Output, p) {
				return true
			}
		}
		return false
	}
	switch {
	case has("no space left on device", "disk quota exceeded"):
		return "The disk is full: free some 5 GB for the cache and for Go's own (\"go env GOCACHE GOMODCACHE\")."
	case has("requires go >=", "requires go1", "toolchain not available"):
		return "The installed Go is too old: install the version named above, or a later one."
	case has("checksum mismatch", "SECURITY ERROR"):
		return "A downloaded module is not what is pinned: run \"go clean -modcache\", and mistrust the module proxy when it happens again."
	case has("dial tcp", "lookup ", "module lookup disabled", "i/o timeout", "proxyconnect", "connection refused", "TLS handshake"):
		return "Modules could not be downloaded: the first build needs a Go module proxy (\"go env GOPROXY\"); later ones do not."
	case has("signal: killed", "cannot allocate memory", "out of memory"):
		return "The compiler was killed, probably for want of memory: it needs some 3 GB."
	}
	return "The source is pinned, so this is a fault of Squall or of the installed Go."
}

// command is one run of the go command.
type command struct {
	name string // the target's
	argv []string
	dir  string
	env  []string
}

// run runs the command to its end. When ctx ends, the command and all that it
// started are killed; on Linux also when this process dies.
func (c command) run(ctx context.Context) error {
	// The kernel ties a child's parent-death signal to the thread that made it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var output bytes.Buffer
	cmd := exec.CommandContext(ctx, c.argv[0], c.argv[1:]...)
	cmd.Dir, cmd.Env = c.dir, c.env
	cmd.Stdout, cmd.Stderr = &output, &output
	cmd.SysProcAttr = ownGroup()
	cmd.Cancel = func() error { return killGroup(cmd.Process.Pid) }
	cmd.WaitDelay = 10 * time.Second
	err := cmd.Run()
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return fmt.Errorf("compile %s: interrupted: %w", c.name, context.Cause(ctx))
	}
	return &CompileError{Name: c.name, Argv: c.argv, Output: output.String(), Err: err}
}
