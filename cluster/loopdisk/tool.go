//go:build linux

package loopdisk

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// Tool runs a program of e2fsprogs with a file as its descriptor 3. An error
// says what the program said.
type Tool func(file *os.File, name string, args ...string) error

// ToolTimeout bounds a program of e2fsprogs: other orders wait for it.
const ToolTimeout = 15 * time.Second

// RunTool is a [Tool] for processes that leave their children to os/exec.
func RunTool(file *os.File, name string, args ...string) error {
	path, err := exec.LookPath(name)
	if err != nil {
		return fmt.Errorf("volumes need %s: %w", name, err)
	}
	ctx, cancel := context.WithTimeoutCause(context.Background(), ToolTimeout, TooSlow())
	defer cancel()
	command := exec.CommandContext(ctx, path, args...)
	command.ExtraFiles = []*os.File{file}
	command.WaitDelay = time.Second
	said, err := command.CombinedOutput()
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("%s %s: %w", name, strings.Join(args, " "), context.Cause(ctx))
	default:
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(string(said)))
	}
}

// TooSlow is the error of a program that was ended after [ToolTimeout].
func TooSlow() error {
	return fmt.Errorf("not done within %s; the host's disk may be overloaded", ToolTimeout)
}
