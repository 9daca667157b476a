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
	hs, err := hierarchies()
	if err != nil {
		return err
	}
	group := groupPrefix + cfg.Name
	defer func() { err = errors.Join(err, leave(cfg, hs, group)) }()
	listener, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return fmt.Errorf("opening the API's address on the loopback: %w", err)
	}
	s := state{Info: describe(cfg, listener.Addr().String()), Janitor: os.Getpid(), SaveTemp: cfg.SaveTemp}
	for _, step := range []func() error{
		func() error { return s.write(cfg.Folder) }, // first: it tells a sweep what else to remove
		func() error { return makeGroup(hs, group) },
		func() error { return beginSaving(cfg) },
		func() error { return writeKubeconfig(cfg, s.Info) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	pid, err := cloneSupervisor(cfg, hs, listener)
	if err != nil {
		return err
	}
	s.Supervisor = pid
	if err = s.write(cfg.Folder); err != nil {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	} else {
		events.send(event{What: whatLaunched})
	}
	await(pid, &s, cfg.Folder, events, stop)
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
	return takeLock(filepath.Join(folder, lockFile))
}

// describe is what the world is told about a cluster.
func describe(cfg config, api string) cluster.Info {
	info := cluster.Info{
		Name:       cfg.Name,
		Provider:   Name,
		Kubernetes: components.KubernetesVersion,
		Server:     "https://" + api,
		DNS:        dnsServiceIP,
	}
	for _, n := range cfg.Nodes {
		info.Nodes = append(info.Nodes, cluster.Node{Name: n.Name, Address: n.address(), ControlPlane: n.ControlPlane})
	}
	return info
}

func writeKubeconfig(cfg config, info cluster.Info) error {
	b, err := cfg.PKI.kubeconfig("squall-"+cfg.Name, info.Server, "admin")
	if err != nil {
		return err
	}
	return writeWhole(filepath.Join(cfg.Folder, kubeconfigFile), b)
}

// await returns when the supervisor has ended, which it makes happen when it is
// told to stop or when the creator is gone.
func await(pid int, s *state, folder string, events *eventWriter, stop <-chan os.Signal) {
	exited := make(chan struct{})
	go func() {
		_ = waitChild(pid) // it is always killed
		close(exited)
	}()
	owner := watchOwner()
	for {
		select {
		case <-exited:
			return
		case <-stop:
			_ = syscall.Kill(pid, syscall.SIGKILL)
			stop = nil
		case word, open := <-owner:
			if !open {
				owner = nil
				_ = syscall.Kill(pid, syscall.SIGKILL)
				continue
			}
			s.Ready = true
			if err := s.write(folder); err != nil {
				events.send(event{What: whatFailed, Status: err.Error()})
			} else {
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
func leave(cfg config, hs []hierarchy, group string) error {
	ctx, cancel := context.WithTimeoutCause(context.Background(), cleanTimeout, fmt.Errorf("not gone within %s", cleanTimeout))
	defer cancel()
	unlock, err := lockRun(ctx, runOf(cfg.Folder))
	if err != nil {
		return err
	}
	defer unlock()
	return clean(ctx, hs, group, cfg.Folder, cfg.SaveTemp)
}

// runOf is the folder for running clusters that a state folder lies in.
func runOf(folder string) string { return filepath.Dir(filepath.Dir(folder)) }

// clean removes what a dead supervisor leaves.
func clean(ctx context.Context, hs []hierarchy, group, folder, saveTemp string) error {
	errs := []error{removeGroup(ctx, hs, group)}
	if saveTemp != "" {
		errs = append(errs, os.RemoveAll(saveTemp))
	}
	return errors.Join(append(errs, os.RemoveAll(folder))...)
}

// cloneSupervisor starts the supervisor in namespaces of its own. It is killed
// by the kernel when this thread dies, and ends by itself when the pipe fdLife
// closes, should the kernel's signal have missed it.
func cloneSupervisor(cfg config, hs []hierarchy, listener *net.TCPListener) (int, error) {
	lf, err := listener.File()
	if err != nil {
		return 0, fmt.Errorf("passing on the API's address: %w", err)
	}
	defer lf.Close()
	// The other end closes when this process ends and not before: it is a bare
	// descriptor, which nothing closes behind our back.
	var life [2]int
	if err := unix.Pipe2(life[:], unix.O_CLOEXEC); err != nil {
		return 0, fmt.Errorf("making a pipe: %w", err)
	}
	defer unix.Close(life[0])
	configRead, configWrite, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	defer configRead.Close()
	pid, err := syscall.ForkExec("/proc/self/exe", []string{enterName, supervisorName, groupPrefix + cfg.Name},
		&syscall.ProcAttr{
			Env:   partEnvironment(),
			Files: []uintptr{0, 2, 2, configRead.Fd(), fdEvents, lf.Fd(), uintptr(life[0])},
			Sys: &syscall.SysProcAttr{
				Cloneflags: nodeNamespaces,
				Pdeathsig:  syscall.SIGKILL,
				Setsid:     true,
			},
		})
	if err != nil {
		return 0, fmt.Errorf("cloning the supervisor: %w", err)
	}
	if err := writeConfig(configWrite, supervisorConfig{Config: cfg, Hierarchies: hs}); err != nil {
		_ = syscall.Kill(pid, syscall.SIGKILL)
		return 0, err
	}
	return pid, nil
}
