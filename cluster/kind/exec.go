package kind

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"squall/cluster"
)

// execOrder is what [execInNode] is told, as its argument.
type execOrder struct {
	// Program is the file to run, in the node.
	Program string
	Argv    []string
	// Urgent makes it wait for a byte, then ask for the processor first.
	Urgent bool
	// Mark makes the order unlike all others.
	Mark string
}

// Exec runs a program in a node's container. The program is this one, which is
// there already, or one that needs no libraries and is copied there. It ends
// with the docker command that started it, however that ends. See
// [cluster.Cluster].
func (h *handle) Exec(ctx context.Context, run cluster.Exec) error {
	if len(run.Argv) == 0 {
		return errors.New("running a program on a node: no program named")
	}
	if run.Node == "" {
		run.Node = clientHost
	}
	if err := h.exec(ctx, run); err != nil {
		if ctx.Err() == nil {
			err = h.blameContainer(ctx, run.Node, err)
		}
		return fmt.Errorf("running %s on node %q of cluster %q: %w", run.Argv[0], run.Node, h.state.Info.Name, err)
	}
	return nil
}

func (h *handle) exec(ctx context.Context, run cluster.Exec) error {
	if !h.hasNode(run.Node) {
		return cluster.ErrNoNode
	}
	program, err := h.bringProgram(ctx, run.Node, run.Argv[0])
	if err != nil {
		return err
	}
	order, err := json.Marshal(execOrder{Program: program, Argv: run.Argv, Urgent: run.Urgent, Mark: rand.Text()})
	if err != nil {
		return err
	}
	c := command(ctx, "exec", "--privileged", "--interactive", h.container(run.Node), programsDir+"/"+execName, string(order))
	c.Stdout, c.Stderr = run.Stdout, run.Stderr
	input, err := c.StdinPipe()
	if err != nil {
		return err
	}
	if err := c.Start(); err != nil {
		return err
	}
	// The input stays open after its last frame: its end is what kills the
	// program when this process is killed.
	copied := make(chan struct{})
	go func() {
		defer close(copied)
		if run.Urgent {
			letUrgent(ctx, string(order))
			if _, err := input.Write([]byte{0}); err != nil {
				return
			}
		}
		sendFrames(input, run.Stdin)
	}()
	err = c.Wait()
	input.Close()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// bringProgram puts a program of the host into a node, under a name that tells
// its content, and returns where it is.
func (h *handle) bringProgram(ctx context.Context, node, program string) (string, error) {
	if own, err := linuxProgram(); err == nil && sameFile(own, program) {
		return path.Join(programsDir, "squall"), nil
	}
	if err := standsAlone(program); err != nil {
		return "", err
	}
	f, err := os.Open(program)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return "", fmt.Errorf("reading the program: %w", err)
	}
	to := path.Join(ownDir, "programs", hex.EncodeToString(sum.Sum(nil)[:8]), filepath.Base(program))
	if err := h.ask(ctx, node, nil, io.Discard, "has", to); err == nil {
		return to, nil
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return "", err
	}
	if err := h.ask(ctx, node, f, nil, "store", to); err != nil {
		return "", fmt.Errorf("bringing the program to the node: %w", err)
	}
	return to, nil
}

// sameFile tells whether two paths are one file.
func sameFile(a, b string) bool {
	x, errX := os.Stat(a)
	y, errY := os.Stat(b)
	return errX == nil && errY == nil && os.SameFile(x, y)
}

// standsAlone refuses a program that a node may not have the libraries for.
func standsAlone(program string) error {
	f, err := elf.Open(program)
	if err != nil {
		return fmt.Errorf("%w; only programs for Linux can run in a node", err)
	}
	defer f.Close()
	for _, part := range f.Progs {
		if part.Type == elf.PT_INTERP {
			return fmt.Errorf("%s needs libraries, which a node may not have: build it without (CGO_ENABLED=0): %w",
				strings.TrimSpace(program), cluster.ErrUnsupported)
		}
	}
	return nil
}
