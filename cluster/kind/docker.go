package kind

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"squall/cluster/kind/engine"
)

// dockerGrace is how long a docker command may go on with its output after it
// was killed.
const dockerGrace = 2 * time.Second

// command is a docker command that is killed when ctx ends. It is in a process
// group of its own: an interrupt on the terminal is for squall, which may need
// the engine to undo what it began.
func command(ctx context.Context, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, "docker", args...)
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.WaitDelay = dockerGrace
	return c
}

// docker runs a docker command and returns what it wrote.
func docker(ctx context.Context, args ...string) (string, error) {
	return dockerInput(ctx, nil, args...)
}

// dockerInput is docker with an input.
func dockerInput(ctx context.Context, in io.Reader, args ...string) (string, error) {
	var out, complaint bytes.Buffer
	c := command(ctx, args...)
	c.Stdin, c.Stdout, c.Stderr = in, &out, &complaint
	if err := c.Run(); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return "", dockerError(args, err, complaint.String())
	}
	return strings.TrimSpace(out.String()), nil
}

// dockerError says which docker command failed and what it said, and wraps
// [engine.ErrStopped] when that is that no engine answers. Arguments may be long,
// so only the first words are named.
func dockerError(args []string, err error, said string) error {
	if said = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(said), "Error response from daemon:")); said != "" {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = errors.New(said)
			if engine.Away(said) {
				err = fmt.Errorf("%w: %s", engine.ErrStopped, said)
			}
		} else {
			err = fmt.Errorf("%w: %s", err, said)
		}
	}
	return fmt.Errorf("docker %s: %w", strings.Join(args[:min(2, len(args))], " "), err)
}

// lines splits what a docker command wrote; nothing is no line.
func lines(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == '\n' })
}
