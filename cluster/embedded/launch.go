//go:build linux

package embedded

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"squall/cluster"
)

// launch starts the janitor and waits until the cluster is ready.
func (p *Provider) launch(ctx context.Context, cfg config, early earlyWork, progress func(string)) (cluster.Cluster, error) {
	j, err := startJanitor(cfg)
	if err != nil {
		return nil, err
	}
	c, err := p.awaitReady(ctx, cfg, j, early, progress)
	if err == nil {
		err = j.announce(ctx, cfg.Detached)
	}
	if err != nil {
		j.owner.Close() // the janitor ends the cluster
		return nil, fmt.Errorf("making the cluster %q: %w", cfg.Name, errors.Join(err, j.wait()))
	}
	go func() {
		_ = j.wait() // so that it does not stay as a zombie; what it left, a sweep removes
		j.owner.Close()
	}()
	return c, nil
}

// announce tells the janitor that the cluster is ready and waits until everybody
// can find it.
func (j *janitorLink) announce(ctx context.Context, detached bool) error {
	word := ownerKeep
	if detached {
		word = ownerRelease
	}
	if _, err := io.WriteString(j.owner, word); err != nil {
		return fmt.Errorf("the cluster's janitor has ended: %w", err)
	}
	for {
		select {
		case e, open := <-j.events:
			switch {
			case !open:
				return fmt.Errorf("the cluster ended as it became ready; something killed it: %w", cluster.ErrHost)
			case e.What == whatFailed:
				return errors.New(strings.TrimSpace(e.Node + " " + e.Status))
			case e.What == whatReady:
				return nil
			}
		case <-ctx.Done():
			return fmt.Errorf("the cluster's janitor does not answer: %w", context.Cause(ctx))
		}
	}
}

// janitorLink is the creator's end of the pipes to a janitor.
type janitorLink struct {
	process *exec.Cmd
	owner   *os.File
	events  <-chan event
	// said is what the janitor and the parts below it write to standard error,
	// which is little: what they cannot say in an event. It has no name.
	said *os.File
}

// startJanitor starts the janitor, out of reach of the terminal's signals.
func startJanitor(cfg config) (*janitorLink, error) {
	configRead, configWrite, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer configRead.Close()
	eventsRead, eventsWrite, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer eventsWrite.Close()
	ownerRead, ownerWrite, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer ownerRead.Close()
	said, err := os.CreateTemp("", "squall-parts-*")
	if err != nil {
		return nil, fmt.Errorf("making a file for what the cluster's parts say: %w", err)
	}
	if err := os.Remove(said.Name()); err != nil {
		return nil, err
	}
	cmd := &exec.Cmd{
		Path:        "/proc/self/exe",
		Args:        []string{janitorName},
		Env:         append(partEnvironment(), registryEnvironment()...),
		Dir:         "/",
		Stderr:      said,
		ExtraFiles:  []*os.File{configRead, eventsWrite, ownerRead},
		SysProcAttr: &syscall.SysProcAttr{Setsid: true},
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting the cluster's janitor: %w", err)
	}
	events := make(chan event, 64)
	go readEvents(eventsRead, events)
	j := &janitorLink{process: cmd, owner: ownerWrite, events: events, said: said}
	if err := writeConfig(configWrite, cfg); err != nil {
		ownerWrite.Close()
		return nil, errors.Join(err, j.wait())
	}
	return j, nil
}

// readEvents passes events on until the pipe ends. Nobody has to receive them:
// what does not fit is dropped, since a full pipe would hold the cluster up.
func readEvents(r *os.File, events chan<- event) {
	defer close(events)
	defer r.Close()
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e event
		if json.Unmarshal(lines.Bytes(), &e) != nil {
			continue
		}
		select {
		case events <- e:
		default:
		}
	}
}

// wait waits until the janitor has ended, which it does within [cleanTimeout].
// When it ended badly the error is what its parts have said.
func (j *janitorLink) wait() error {
	defer j.said.Close()
	if err := j.process.Wait(); err == nil {
		return nil
	}
	if said := strings.TrimSpace(tailOf(j.said, maxTail)); said != "" {
		return fmt.Errorf("the cluster's parts said:\n%s", said)
	}
	return nil
}

// earlyWork is what is done as soon as every node takes pods; see
// [cluster.Spec.Early].
type earlyWork func(ctx context.Context, kubeconfig []byte) error

// startEarly waits in the background until every node takes pods and then does
// the early work, if there is any. The outcome arrives once.
func (p *Provider) startEarly(ctx context.Context, cfg config, early earlyWork, reached chan<- event) <-chan error {
	done := make(chan error, 1)
	go func() {
		// The janitor wrote it before it launched anything.
		b, err := os.ReadFile(filepath.Join(cfg.Folder, kubeconfigFile))
		if err == nil {
			err = cluster.WaitNodesReady(ctx, b, nodeNames(cfg))
		}
		if err == nil {
			reached <- event{What: whatTakesPods}
		}
		if err == nil && early != nil {
			if err = early(ctx, b); err == nil {
				reached <- event{What: whatDeployed}
			}
		}
		done <- err
	}()
	return done
}

func nodeNames(cfg config) []string {
	names := make([]string, len(cfg.Nodes))
	for i, n := range cfg.Nodes {
		names[i] = n.Name
	}
	return names
}

// awaitReady follows the events until every node is Ready and resolves names,
// and the early work is done.
func (p *Provider) awaitReady(ctx context.Context, cfg config, j *janitorLink, early earlyWork, progress func(string)) (cluster.Cluster, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // the early work ends with the making
	b := bringUp{missing: map[string]bool{}, last: map[string]what{}, ends: map[string]int{}}
	for _, n := range cfg.Nodes {
		b.missing[n.Name] = true
	}
	began := time.Now()
	reach := func(e event) {
		m := Milestone{After: time.Since(began), Node: e.Node, What: string(e.What)}
		progress(m.String())
		if p.Milestones != nil {
			p.Milestones(m)
		}
	}
	reached := make(chan event, 2) // both fit: nobody need receive them
	var nodes <-chan error         // nodes Ready, early work done
	for ready := false; len(b.missing) > 0 || !ready; {
		select {
		case e := <-reached:
			reach(e)
		case err := <-nodes:
			if err != nil {
				return nil, err
			}
			ready = true
		case e, open := <-j.events:
			if !open {
				return nil, fmt.Errorf("the cluster ended while it came up; something killed it: %w", cluster.ErrHost)
			}
			if err := b.take(e); err != nil {
				return nil, err
			}
			if e.What == whatAPI && nodes == nil {
				nodes = p.startEarly(ctx, cfg, early, reached)
			}
			if e.What != whatExited {
				reach(e)
			}
		case <-ctx.Done():
			if nodes == nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return nil, fmt.Errorf("%w: %w; %s", errControlPlane, context.Cause(ctx), b.describe())
			}
			return nil, fmt.Errorf("%w; %s", context.Cause(ctx), b.describe())
		}
	}
	for len(reached) > 0 { // what was reached last may not have been told yet
		reach(<-reached)
	}
	s, err := p.readState(cfg.Name)
	if err != nil {
		return nil, err
	}
	return p.handle(s)
}
