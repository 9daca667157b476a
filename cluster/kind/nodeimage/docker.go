package nodeimage

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// docker runs a docker command, with an input, and returns what it wrote. It is
// in a process group of its own: an interrupt on the terminal is for squall.
func docker(ctx context.Context, in io.Reader, args ...string) (string, error) {
	var out bytes.Buffer
	err := run(ctx, in, &out, args)
	return strings.TrimSpace(out.String()), err
}

// dockerTo is docker for an output that is too much to keep.
func dockerTo(ctx context.Context, out io.Writer, args ...string) error {
	return run(ctx, nil, out, args)
}

func run(ctx context.Context, in io.Reader, out io.Writer, args []string) error {
	var complaint bytes.Buffer
	c := exec.CommandContext(ctx, "docker", args...)
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.WaitDelay = 2 * time.Second
	c.Stdin, c.Stdout, c.Stderr = in, out, &complaint
	err := c.Run()
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	said := strings.TrimSpace(complaint.String())
	if strings.Contains(said, "no space left on device") {
		said += "; free some of the engine's disk, \"docker system df\" shows what is on it"
	}
	return fmt.Errorf("docker %s: %w: %s", strings.Join(args[:min(2, len(args))], " "), err, said)
}

// has tells whether the engine has an image.
func has(ctx context.Context, ref string) (bool, error) {
	found, err := docker(ctx, nil, "image", "ls", "--quiet", ref)
	return found != "", err
}

// List names the node images in the engine, and what they were made from.
func List(ctx context.Context) ([]string, error) {
	out, err := docker(ctx, nil, "image", "ls", "--filter", "label="+labelImage, "--filter", "dangling=false", "--format", "{{.Repository}}:{{.Tag}}")
	return strings.Fields(out), err
}

// Remove removes the node images, and what they stand on, from the engine.
func Remove(ctx context.Context) error {
	refs, err := List(ctx)
	if err != nil {
		return err
	}
	pulled, err := pulledFor(ctx, refs)
	if err != nil {
		return err
	}
	if there, err := has(ctx, baseRef); err != nil {
		return err
	} else if there {
		refs = append(refs, baseRef)
	}
	refs = append(refs, pulled...)
	if len(refs) == 0 {
		return nil
	}
	_, err = docker(ctx, nil, append([]string{"image", "rm", "--force"}, refs...)...)
	return err
}

// sweep removes the containers that killed builders left. Who calls it holds the
// lock: there is no living one.
func sweep(ctx context.Context) error {
	ids, err := docker(ctx, nil, "ps", "--all", "--quiet", "--filter", "label="+labelBuild)
	if err != nil || ids == "" {
		return err
	}
	_, err = docker(ctx, nil, append([]string{"rm", "--force", "--volumes"}, strings.Fields(ids)...)...)
	return err
}
