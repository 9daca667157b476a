//go:build linux

package embedded

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"squall/cluster"
	"squall/cluster/components"

	"golang.org/x/sys/unix"
)

// What the creator writes to the janitor's owner pipe once the cluster is
// ready. Until then, and after ownerKeep, the cluster ends when the pipe does.
const (
	ownerKeep    = "keep\n"
	ownerRelease = "release\n"
)

// cleanTimeout bounds how long the janitor waits for the kernel to let go of
// control groups.
const cleanTimeout = 20 * time.Second

// janitor is the only part of a cluster in the host's namespaces. It starts the
// supervisor, waits for its end, whatever the reason, and removes what the
// kernel does not.
func janitor([]string) error {
	// The supervisor dies with the thread that cloned it; this one is the
	// process's first and lives as long as the process.
	runtime.LockOSThread()
	var cfg config
	if err := readConfig(&cfg); err != nil {
		return err
	}
	events := &eventWriter{file: os.NewFile(fdEvents, "events")}
	if err := tend(cfg, events); err != nil {
		events.send(event{What: whatFailed, Status: err.Error()})
		return err
	}
	return nil
}

// tend makes the cluster's first parts, waits for its end and cleans up.
func tend(cfg config, events *eventWriter) (err error) {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	lock, err := claim(cfg.Folder)
	if err != nil {
		return err
	}
	defer lock.Close()
	g, err := findGroups()
	if err != nil {
		return err
	}
	group := groupPrefix + cfg.Name
	defer func() { err = errors.Join(err, leave(cfg, g, group)) }()
	listener, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return fmt.Errorf("opening the API's address on the loopback: %w", err)
	}
	s := state{Info: describe(cfg, listener.Addr().String()), Janitor: os.Getpid(), SaveTemp: cfg.SaveTemp}
	for _, step := range []func() error{
		func() error { return s.write(cfg.Folder) }, // first: it tells a sweep what else to remove
		func() error { return g.make(group) },
		func() error { return beginSaving(cfg) },
		func() error { return writeKubeconfig(cfg, s.Info) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	pid, life, err := cloneSupervisor(cfg, g, listener)
	if err != nil {
		return err
	}
	if err := startMirror(pid, cfg.Settings.Registries); err != nil {
		_ = syscall.Kill(pid, syscall.SIGKILL)
		return errors.Join(err, waitChild(pid))
	}
	s.Supervisor = pid
	if err = s.write(cfg.Folder); err != nil {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	} else {
		events.send(event{What: whatLaunched})
	}
	await(supervised{pid: pid, folder: cfg.Folder, changes: hearNodes(life)}, &s, events, stop)
	return err
}

// claim makes the state folder and takes its lock for as long as this process
// lives. No sweep can come between the two.
func claim(folder string) (*os.File, error) {
	ctx, cancel := context.WithTimeout(context.Background(), cleanTimeout)
	defer cancel()
	unlock, err := lockRun(ctx, runOf(folder))
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("making the state folder: %w", err)
	}
	return takeFree(ctx, filepath.Join(folder, lockFile))
}

// describe is what the world is told about a cluster.
func describe(cfg config, api string) cluster.Info {
	return cluster.Info{
		Name:       cfg.Name,
		Provider:   Name,
		Kubernetes: components.KubernetesVersion,
		Nodes:      describeNodes(cfg.Nodes),
		Server:     "https://" + api,
		DNS:        dnsServiceIP,
	}
}

func writeKubeconfig(cfg config, info cluster.Info) error {
	b, err := cfg.PKI.kubeconfig("squall-"+cfg.Name, info.Server, "admin")
	if err != nil {
		return err
	}
	return writeWhole(filepath.Join(cfg.Folder, kubeconfigFile), b)
}

// supervised is a supervisor that runs.
type supervised struct {
	pid     int
	folder  string
	changes <-chan nodeChange
}

// await returns when the supervisor has ended, which it makes happen when it is
// told to stop or when the creator is gone. Meanwhile it keeps the state file.
func await(sv supervised, s *state, events *eventWriter, stop <-chan os.Signal) {
	exited := make(chan struct{})
	go func() {
		_ = waitChild(sv.pid) // it is always killed
		close(exited)
	}()
	keep := func() error {
		err := s.write(sv.folder)
		if err != nil {
			events.send(event{What: whatFailed, Status: err.Error()})
		}
		return err
	}
	owner := watchOwner()
	for {
		select {
		case <-exited:
			return
		case <-stop:
			_ = syscall.Kill(sv.pid, syscall.SIGKILL)
			stop = nil
		case c := <-sv.changes:
			s.Info.Nodes = c.nodes
			c.done(keep())
		case word, open := <-owner:
			if !open {
				owner = nil
				_ = syscall.Kill(sv.pid, syscall.SIGKILL)
				continue
			}
			s.Ready = true
			if keep() == nil {
				events.send(event{What: whatReady})
			}
			if word == ownerRelease {
				owner = nil
			}
			giveBack()
		}
	}
}

// watchOwner passes on what the creator says; the channel is closed when the
// creator has gone.
func watchOwner() <-chan string {
	words := make(chan string)
	go func() {
		defer close(words)
		lines := bufio.NewReader(os.NewFile(fdOwner, "owner"))
		for {
			word, err := lines.ReadString('\n')
			if err != nil {
				return
			}
			words <- word
			if word == ownerRelease {
				select {} // nobody owns the cluster any more
			}
		}
	}()
	return words
}

// leave removes what is left once the supervisor has gone. No new cluster of
// this name can take the folder while it goes.
func leave(cfg config, g groups, group string) error {
	ctx, cancel := context.WithTimeoutCause(context.Background(), cleanTimeout, fmt.Errorf("not gone within %s", cleanTimeout))
	defer cancel()
	unlock, err := lockRun(ctx, runOf(cfg.Folder))
	if err != nil {
		return err
	}
	defer unlock()
	return clean(ctx, g, group, cfg.Folder, cfg.SaveTemp)
}

// runOf is the folder for running clusters that a state folder lies in.
func runOf(folder string) string { return filepath.Dir(filepath.Dir(folder)) }

// cloneSupervisor starts the supervisor in namespaces of its own and returns
// this end of its lifeline. It is killed by the kernel when this thread dies, and
// ends by itself when the lifeline closes, should the kernel's signal have missed
// it.
func cloneSupervisor(cfg config, g groups, listener *net.TCPListener) (pid int, life *os.File, err error) {
	lf, err := listener.File()
	if err != nil {
		return 0, nil, fmt.Errorf("passing on the API's address: %w", err)
	}
	defer lf.Close()
	control, err := openControl(cfg.Folder)
	if err != nil {
		return 0, nil, err
	}
	defer control.Close()
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, nil, fmt.Errorf("making a socket: %w", err)
	}
	life = os.NewFile(uintptr(ends[1]), "life")
	defer unix.Close(ends[0])
	configRead, configWrite, err := os.Pipe()
	if err != nil {
		return 0, nil, err
	}
	defer configRead.Close()
	pid, err = syscall.ForkExec("/proc/self/exe", []string{enterName, supervisorName, groupPrefix + cfg.Name},
		&syscall.ProcAttr{
			Env:   partEnvironment(),
			Files: []uintptr{0, 2, 2, configRead.Fd(), fdEvents, lf.Fd(), uintptr(ends[0]), control.Fd()},
			Sys: &syscall.SysProcAttr{
				Cloneflags: nodeNamespaces,
				Pdeathsig:  syscall.SIGKILL,
				Setsid:     true,
			},
		})
	if err != nil {
		return 0, nil, fmt.Errorf("cloning the supervisor: %w", err)
	}
	if err := writeConfig(configWrite, supervisorConfig{Config: cfg, Groups: g.inside()}); err != nil {
		_ = syscall.Kill(pid, syscall.SIGKILL)
		return 0, nil, err
	}
	return pid, life, nil
}
