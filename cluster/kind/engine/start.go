package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// startDeadline bounds the start of an engine. It takes a second or two.
const startDeadline = time.Minute

// Folder is where an engine that was started has its log, its process id and its
// runtime until it is stopped: root's, since root's engine runs what is there.
const Folder = "/var/lib/squall/docker"

// Starter starts an engine of its own where none answers.
type Starter struct {
	// Folder is where its log, its process id and its runtime are kept: [Folder],
	// unless several are to be beside each other.
	Folder string
	// Progress takes a line before anything that takes long; nil drops it.
	Progress func(string)

	// flags are added to dockerd's, and host is where it answers: tests have an
	// engine beside the machine's.
	flags []string
	host  string
}

func (s Starter) say(format string, args ...any) {
	if s.Progress != nil {
		s.Progress(fmt.Sprintf(format, args...))
	}
}

// answers tells whether an engine answers.
func (s Starter) answers(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, lookDeadline)
	defer cancel()
	c := exec.CommandContext(ctx, "docker", "version", "--format", "{{.Server.Version}}")
	if s.host != "" {
		c.Env = append(os.Environ(), "DOCKER_HOST="+s.host)
	}
	return c.Run() == nil
}

// Start installs Debian's engine where there is none and starts it. Where one
// answers, or is there and does not, nothing is changed. It says whether it
// started one.
func (s Starter) Start(ctx context.Context) (started bool, err error) {
	if s.answers(ctx) {
		return false, nil
	}
	if host := os.Getenv("DOCKER_HOST"); s.host == "" && host != "" && host != usualHost {
		return false, fmt.Errorf("%w at %s, which DOCKER_HOST names: start it, or unset DOCKER_HOST", ErrStopped, host)
	}
	if os.Geteuid() != 0 {
		return false, fmt.Errorf("%w: only root can start one: run the same command with sudo", ErrStopped)
	}
	if err := s.install(ctx); err != nil {
		return false, err
	}
	if running := processNamed("dockerd"); running != 0 && s.host == "" {
		return false, s.await(ctx, running)
	}
	return true, s.launch(ctx)
}

// usualHost is where an engine answers unless it is told otherwise.
const usualHost = "unix:///var/run/docker.sock"

// comingUp is how long an engine that runs may take until it answers.
const comingUp = 15 * time.Second

// await waits for an engine that somebody else has started, perhaps just now.
func (s Starter) await(ctx context.Context, pid int) error {
	ctx, cancel := context.WithTimeoutCause(ctx, comingUp, fmt.Errorf("for %s", comingUp))
	defer cancel()
	for !s.answers(ctx) {
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w, although it runs (process %d; waited %w); it stays as it is: look at its log, or restart it", ErrStopped, pid, context.Cause(ctx))
		case <-time.After(100 * time.Millisecond): // it announces to systemd only that it is ready
		}
	}
	return nil
}

// install installs Debian's packages where dockerd or the docker command is
// missing.
func (s Starter) install(ctx context.Context) error {
	_, noEngine := daemon()
	_, noCommand := exec.LookPath("docker")
	if noEngine == nil && noCommand == nil {
		return nil
	}
	if _, err := exec.LookPath("apt-get"); err != nil {
		return fmt.Errorf("%w, and this is no Debian: install Docker as its documentation says and start it", ErrAbsent)
	}
	s.say("installing Debian's Docker engine")
	if err := s.apt(ctx, "update", "-qq"); err != nil {
		return err
	}
	packages := []string{"install", "-y", "-qq", "--no-install-recommends", "--no-remove", "docker.io", "iptables"}
	if exec.CommandContext(ctx, "apt-cache", "show", "docker-cli").Run() == nil { // its own package since Debian 13
		packages = append(packages, "docker-cli")
	}
	return s.apt(ctx, packages...)
}

// daemon is dockerd, which is a program of root's: the PATH of others may lack its
// folder.
func daemon() (string, error) {
	path, err := exec.LookPath("dockerd")
	if err == nil {
		return path, nil
	}
	return exec.LookPath("/usr/sbin/dockerd")
}

// installDeadline bounds each call of apt-get, which may wait for a mirror and for
// another's lock.
const installDeadline = 10 * time.Minute

func (s Starter) apt(ctx context.Context, args ...string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, installDeadline, fmt.Errorf("not within %s", installDeadline))
	defer cancel()
	c := exec.CommandContext(ctx, "apt-get", args...)
	c.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	c.WaitDelay = time.Second
	if out, err := c.CombinedOutput(); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return fmt.Errorf("installing Debian's Docker engine: apt-get %s: %w:\n%s", args[0], err, lastLines(string(out)))
	}
	return nil
}

// launch starts dockerd, in a session of its own, and waits until it answers.
func (s Starter) launch(ctx context.Context) error {
	if err := os.MkdirAll(s.Folder, 0o700); err != nil {
		return fmt.Errorf("making the engine's folder: %w", err)
	}
	flags, err := s.runtimeFlags()
	if err != nil {
		return err
	}
	path, err := daemon()
	if err != nil {
		return fmt.Errorf("%w: the package docker.io gives no dockerd: %w", ErrAbsent, err)
	}
	log, err := os.OpenFile(s.logFile(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("opening the engine's log: %w", err)
	}
	defer log.Close()
	s.say("starting the Docker engine; its log is %s", log.Name())
	c := &exec.Cmd{Path: path, Args: append(append([]string{"dockerd"}, flags...), s.flags...), Stdout: log, Stderr: log,
		Env:         append(os.Environ(), "PATH="+os.Getenv("PATH")+":/usr/sbin:/sbin"),
		SysProcAttr: &syscall.SysProcAttr{Setsid: true}}
	if err := c.Start(); err != nil {
		return fmt.Errorf("starting the Docker engine: %w", err)
	}
	if err := os.WriteFile(s.pidFile(), []byte(identity(c.Process.Pid)), 0o600); err != nil {
		return errors.Join(err, c.Process.Kill(), c.Wait())
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	ctx, cancel := context.WithTimeoutCause(ctx, startDeadline, fmt.Errorf("it does not answer within %s", startDeadline))
	defer cancel()
	for !s.answers(ctx) {
		select {
		case err := <-ended:
			return fmt.Errorf("the Docker engine ended: %v; its log ends:\n%s", err, s.logTail())
		case <-ctx.Done():
			_ = syscall.Kill(c.Process.Pid, syscall.SIGTERM)
			return fmt.Errorf("starting the Docker engine: %w; its log ends:\n%s", context.Cause(ctx), s.logTail())
		case <-time.After(100 * time.Millisecond): // it announces to systemd only that it is ready
		}
	}
	return nil
}

// runtimeFlags make dockerd use this program as its runtime where the host
// withholds a capability. It uses a copy: this program may be built anew.
func (s Starter) runtimeFlags() ([]string, error) {
	if !withholds() {
		return nil, nil
	}
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding this program: %w", err)
	}
	from, err := os.Open(self)
	if err != nil {
		return nil, err
	}
	defer from.Close()
	to := filepath.Join(s.Folder, runtimeName)
	temp, err := os.CreateTemp(s.Folder, ".runtime-*")
	if err != nil {
		return nil, err
	}
	defer os.Remove(temp.Name())
	_, err = io.Copy(temp, from)
	if err := errors.Join(err, temp.Chmod(0o755), temp.Close()); err != nil {
		return nil, fmt.Errorf("keeping the engine's runtime: %w", err)
	}
	if err := os.Rename(temp.Name(), to); err != nil {
		return nil, fmt.Errorf("keeping the engine's runtime: %w", err)
	}
	return []string{"--add-runtime", "squall=" + to, "--default-runtime", "squall"}, nil
}

func (s Starter) logFile() string { return filepath.Join(s.Folder, "dockerd.log") }

func (s Starter) pidFile() string { return filepath.Join(s.Folder, "dockerd.pid") }

func (s Starter) logTail() string {
	b, _ := os.ReadFile(s.logFile())
	return lastLines(string(b))
}

// lastLines are the last lines of a text, some 2 kB.
func lastLines(text string) string {
	text = strings.TrimSpace(text)
	return text[max(0, len(text)-2000):]
}

// Stop ends the engine that Start has started here, unless containers run in it.
// It says whether there was one.
func (s Starter) Stop(ctx context.Context) (stopped bool, err error) {
	b, err := os.ReadFile(s.pidFile())
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("finding the engine: %w", err)
	}
	ours := string(b)
	first, _, _ := strings.Cut(ours, " ")
	pid, err := strconv.Atoi(first)
	if err != nil || identity(pid) != ours {
		return false, os.Remove(s.pidFile()) // it has ended, and its id may be another's
	}
	c := exec.CommandContext(ctx, "docker", "ps", "--format", "{{.Names}}")
	if s.host != "" {
		c.Env = append(os.Environ(), "DOCKER_HOST="+s.host)
	}
	out, err := c.Output()
	if err != nil {
		return false, fmt.Errorf("asking the Docker engine (process %d) what runs in it: %w; it stays as it is", pid, err)
	}
	if len(strings.TrimSpace(string(out))) > 0 {
		return false, fmt.Errorf("containers run in the Docker engine: %s; end them first", strings.Join(strings.Fields(string(out)), ", "))
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
		return false, fmt.Errorf("ending the Docker engine (process %d): %w", pid, err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, startDeadline, fmt.Errorf("it has not ended within %s", startDeadline))
	defer cancel()
	for identity(pid) == ours && programOf(pid) != "" {
		select {
		case <-ctx.Done():
			return false, fmt.Errorf("ending the Docker engine (process %d): %w", pid, context.Cause(ctx))
		case <-time.After(50 * time.Millisecond): // it is no child of this process
		}
	}
	return true, s.forget()
}

// forget removes what an engine that has ended left.
func (s Starter) forget() error {
	for _, file := range []string{s.pidFile(), s.logFile(), filepath.Join(s.Folder, runtimeName)} {
		if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("removing what the Docker engine left: %w", err)
		}
	}
	for _, folder := range []string{s.Folder, filepath.Dir(s.Folder)} {
		if err := os.Remove(folder); err != nil {
			return nil // others have something there
		}
	}
	return nil
}
