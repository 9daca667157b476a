// Package engine finds the Docker engine in which kind clusters live, says what
// is in the way of clusters there, and, where a machine has none, installs
// Debian's and starts it. An engine that is there is never changed.
//
// It makes no clusters and no images.
package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"
)

// What can be in the way of using an engine.
var (
	// ErrAbsent is wrapped by errors that say that there is no docker command.
	ErrAbsent = errors.New("Docker is not installed")
	// ErrStopped is wrapped by errors that say that no engine answers.
	ErrStopped = errors.New("the Docker engine does not answer")
	// ErrForbidden is wrapped by errors that say that this user may not use the
	// engine.
	ErrForbidden = errors.New("this user may not use the Docker engine")
	// ErrDisk is wrapped by errors that say that the engine's disk is full.
	ErrDisk = errors.New("the Docker engine's disk is full")
)

// lookDeadline bounds a question to the engine. It answers within a tenth of a
// second; a machine that is asleep never does.
const lookDeadline = 15 * time.Second

// LeastDisk is what must be free on the engine's disk, in bytes: twice what a
// node image and the disks of a small cluster take.
const LeastDisk = 4 << 30

// Engine is a Docker engine that answers.
type Engine struct {
	// Version is the server's, for example "20.10.24+dfsg1".
	Version string
	// Driver is its storage driver, Cgroups the version of control groups, "1"
	// or "2", Runtime its default OCI runtime.
	Driver, Cgroups, Runtime string
	// Root is the folder of all its data, on its own machine.
	Root string
	// DiskTotal and DiskFree are bytes of the disk that Root is on; both are 0
	// where that is not this machine's.
	DiskTotal, DiskFree int64
}

// Look finds the engine that the docker command talks to, and returns an error
// that says what to do when no cluster can be made there.
func Look(ctx context.Context) (Engine, error) {
	if _, err := exec.LookPath("docker"); err != nil {
		return Engine{}, fmt.Errorf("%w: \"squall docker\" installs Debian's engine and starts it; see docs/kind.md for other systems", ErrAbsent)
	}
	asked := ctx
	ctx, cancel := context.WithTimeoutCause(ctx, lookDeadline, fmt.Errorf("no answer within %s", lookDeadline))
	defer cancel()
	var out, complaint bytes.Buffer
	c := exec.CommandContext(ctx, "docker", "info", "--format", "{{json .}}")
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.WaitDelay = time.Second
	c.Stdout, c.Stderr = &out, &complaint
	failed := c.Run()
	if asked.Err() != nil { // which says nothing of the engine
		return Engine{}, fmt.Errorf("asking for the Docker engine: %w", context.Cause(asked))
	}
	if ctx.Err() != nil {
		failed = context.Cause(ctx)
	}
	e, said, err := read(out.Bytes())
	if err == nil && said == "" && failed == nil {
		return e.onDisk()
	}
	return Engine{}, explain(failed, strings.TrimSpace(said+" "+complaint.String()))
}

// read reads what "docker info" writes, and its complaints in it: it may exit
// with 0 although no engine answers.
func read(info []byte) (e Engine, said string, err error) {
	var i struct {
		ServerVersion, Driver, CgroupVersion, DefaultRuntime, DockerRootDir string
		ServerErrors                                                        []string
	}
	if err := json.Unmarshal(info, &i); err != nil {
		return Engine{}, "", fmt.Errorf("reading what docker says of the engine: %w", err)
	}
	said = strings.Join(i.ServerErrors, "; ")
	if said == "" && i.ServerVersion == "" {
		said = "it names no version of a server"
	}
	return Engine{Version: i.ServerVersion, Driver: i.Driver, Cgroups: i.CgroupVersion, Runtime: i.DefaultRuntime, Root: i.DockerRootDir}, said, nil
}

// explain says why an engine cannot be used.
func explain(failed error, said string) error {
	low := strings.ToLower(said)
	switch {
	case strings.Contains(low, "permission denied"):
		return fmt.Errorf("%w: run the same command with sudo, or have your user added to the group docker: %s", ErrForbidden, said)
	case Away(said) || errors.Is(failed, context.DeadlineExceeded) || failed != nil && said == "":
		return fmt.Errorf("%w: start it, or let \"squall docker\" do so: %s", ErrStopped, orError(said, failed))
	}
	return fmt.Errorf("asking for the Docker engine: %s", orError(said, failed))
}

// Away tells whether what a docker command said means that it found no engine, or
// lost it while it was at work.
func Away(said string) bool {
	low := strings.ToLower(said)
	return slices.ContainsFunc([]string{
		"cannot connect", "failed to connect to the docker api", "is the docker daemon running",
		"no such host", "connection refused",
		"error during connect", // the engine ended in the middle of an answer
	}, func(known string) bool { return strings.Contains(low, known) })
}

func orError(said string, err error) string {
	if said == "" && err != nil {
		return err.Error()
	}
	return said
}

// onDisk finds how much is free where the engine keeps its data.
func (e Engine) onDisk() (Engine, error) {
	var disk syscall.Statfs_t
	if err := syscall.Statfs(e.Root, &disk); err != nil {
		return e, nil // it is another machine's
	}
	e.DiskTotal = int64(disk.Blocks-disk.Bfree+disk.Bavail) * int64(disk.Bsize)
	e.DiskFree = int64(disk.Bavail) * int64(disk.Bsize)
	return e, e.checkDisk()
}

func (e Engine) checkDisk() error {
	if e.DiskTotal == 0 || e.DiskFree >= LeastDisk {
		return nil
	}
	return fmt.Errorf("%w: %s has %.1f GiB free, a cluster needs %d GiB; free some of it, \"docker system df\" shows what is on it",
		ErrDisk, e.Root, float64(e.DiskFree)/(1<<30), LeastDisk>>30)
}
