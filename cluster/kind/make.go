package kind

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"sigs.k8s.io/kind/pkg/apis/config/v1alpha4"
	kindcluster "sigs.k8s.io/kind/pkg/cluster"
	kinderrors "sigs.k8s.io/kind/pkg/errors"
	kindexec "sigs.k8s.io/kind/pkg/exec"
	"sigs.k8s.io/kind/pkg/log"
)

// networkVariable makes kind use a network that is there already
// (kind v0.33: pkg/cluster/internal/providers/docker/provider.go, Provision).
const networkVariable = "KIND_EXPERIMENTAL_DOCKER_NETWORK"

// makeOrder is what the child that calls kind's library is told.
type makeOrder struct {
	Config     *v1alpha4.Cluster
	Kubeconfig string
}

// makeContainers is that child. It has no way to be asked to end: it is killed,
// and what it began is removed by who started it.
func makeContainers([]string) error {
	var o makeOrder
	if err := json.NewDecoder(os.Stdin).Decode(&o); err != nil {
		return fmt.Errorf("reading the order: %w", err)
	}
	p := kindcluster.NewProvider(kindcluster.ProviderWithDocker(), kindcluster.ProviderWithLogger(teller{os.Stdout}))
	err := p.Create(o.Config.Name,
		kindcluster.CreateWithV1Alpha4Config(o.Config),
		kindcluster.CreateWithKubeconfigPath(o.Kubeconfig),
		kindcluster.CreateWithRetain(true), // what is left tells why; its maker removes it
		kindcluster.CreateWithDisplayUsage(false),
		kindcluster.CreateWithDisplaySalutation(false),
	)
	if err == nil {
		return nil
	}
	if run := kindexec.RunErrorForError(err); run != nil {
		return fmt.Errorf("%w; it said:\n%s", err, tail(string(run.Output), maxTail))
	}
	if trace := kinderrors.Errors(err); len(trace) > 1 {
		return errors.Join(trace...)
	}
	return err
}

// maxTail is how much of what a program said goes into an error.
const maxTail = 4000

// tail is the end of a text, from a line's start.
func tail(s string, most int) string {
	s = strings.TrimSpace(s)
	if len(s) <= most {
		return s
	}
	s = s[len(s)-most:]
	if _, rest, ok := strings.Cut(s, "\n"); ok {
		return rest
	}
	return s
}

// teller writes kind's messages, without what is for a terminal only.
type teller struct{ to io.Writer }

// Warn implements log.Logger.
func (t teller) Warn(message string) { t.say(message) }

// Warnf implements log.Logger.
func (t teller) Warnf(format string, args ...any) { t.say(fmt.Sprintf(format, args...)) }

// Error implements log.Logger.
func (t teller) Error(message string) { t.say(message) }

// Errorf implements log.Logger.
func (t teller) Errorf(format string, args ...any) { t.say(fmt.Sprintf(format, args...)) }

// V implements log.Logger: only what everybody sees is told.
func (t teller) V(level log.Level) log.InfoLogger { return chatter{t, level <= 0} }

func (t teller) say(message string) { fmt.Fprintln(t.to, strings.TrimSpace(message)) }

// chatter is kind's logger of one level.
type chatter struct {
	teller
	on bool
}

// Info implements log.InfoLogger.
func (c chatter) Info(message string) {
	if c.on {
		c.say(message)
	}
}

// Infof implements log.InfoLogger.
func (c chatter) Infof(format string, args ...any) { c.Info(fmt.Sprintf(format, args...)) }

// Enabled implements log.InfoLogger.
func (c chatter) Enabled() bool { return c.on }

// child is a running [makeContainers], or [kindCommand].
type child struct {
	command *exec.Cmd
	said    *lastWords
	ended   chan struct{}
	err     error // set before ended is closed
}

// startMake starts the child.
func startMake(cluster string, o makeOrder) (*child, error) {
	in, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	return startChild(cluster, in, makeName)
}

// startChild starts a part of this program that makes a cluster. Its docker
// commands are in its process group and end with it.
func startChild(cluster string, in []byte, args ...string) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding this program: %w", err)
	}
	c := &child{command: &exec.Cmd{
		Path: self, Args: args, Stdin: bytes.NewReader(in),
		Env:         append(os.Environ(), networkVariable+"="+networkName(cluster)),
		SysProcAttr: childAttributes(),
		WaitDelay:   dockerGrace,
	}, said: &lastWords{}, ended: make(chan struct{})}
	c.command.Stdout, c.command.Stderr = c.said, c.said
	started := make(chan error, 1)
	go c.run(started)
	return c, <-started
}

// run starts the child and waits for its end on one thread, with whose end the
// child would be killed.
func (c *child) run(started chan<- error) {
	unlock := lockThread()
	defer unlock()
	if err := c.command.Start(); err != nil {
		started <- fmt.Errorf("starting the part that calls kind: %w", err)
		return
	}
	started <- nil
	if err := c.command.Wait(); err != nil {
		c.err = fmt.Errorf("kind could not make the cluster: %s", tail(c.said.String(), maxTail))
	}
	close(c.ended)
}

// kill ends the child and all that it started, and waits until it has.
func (c *child) kill() {
	_ = syscall.Kill(-c.command.Process.Pid, syscall.SIGKILL) // it may have ended
	<-c.ended
}

// lastWords keeps the end of what is written to it.
type lastWords struct {
	mu   sync.Mutex
	text []byte
}

// Write implements io.Writer.
func (l *lastWords) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.text = append(l.text, b...); len(l.text) > 4*maxTail {
		l.text = append([]byte(nil), l.text[len(l.text)-2*maxTail:]...)
	}
	return len(b), nil
}

// String is what was kept.
func (l *lastWords) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.text)
}

// makeDeadline bounds a cluster's way up. On two cores one takes half a minute;
// the bound only has to catch what will never end.
const makeDeadline = 6 * time.Minute

// within bounds a cluster's way up.
func within(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, makeDeadline, fmt.Errorf("the cluster did not become ready within %s", makeDeadline))
}
