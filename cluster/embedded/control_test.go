//go:build linux

package embedded

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"squall/cluster"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestAnErrorKeepsItsKindOnItsWayToTheClient(t *testing.T) {
	for _, kind := range kinds() {
		err := failed(fmt.Errorf("node %q: %w", "x", kind)).err()
		assert.ErrorIs(t, err, kind)
		assert.ErrorContains(t, err, `node "x"`)
	}
	err := failed(errors.New("no room")).err()
	assert.EqualError(t, err, "no room")
	assert.NotErrorIs(t, err, cluster.ErrNoNode)
	assert.NoError(t, answer{}.err())
}

// flaky is a listener that fails before it has a connection.
type flaky struct {
	net.Listener
	failures []error
	conn     net.Conn
}

func (f *flaky) Accept() (net.Conn, error) {
	if len(f.failures) > 0 {
		err := f.failures[0]
		f.failures = f.failures[1:]
		return nil, err
	}
	if f.conn != nil {
		c := f.conn
		f.conn = nil
		return c, nil
	}
	return nil, net.ErrClosed
}

func TestAListenerThatFailsForAWhileIsServedOn(t *testing.T) {
	ours, theirs := net.Pipe()
	defer ours.Close()
	served := make(chan net.Conn, 1)
	acceptAll(&flaky{failures: []error{syscall.EMFILE, syscall.ECONNABORTED, syscall.ENOBUFS}, conn: theirs},
		func(c net.Conn) { served <- c })
	select {
	case c := <-served:
		assert.Equal(t, theirs, c)
	case <-time.After(5 * time.Second):
		t.Fatal("the connection after the failures is not served")
	}
}

func TestTheJanitorsEndOfALifelineClosesTheSupervisors(t *testing.T) {
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	l, err := newLifeline(os.NewFile(uintptr(ends[0]), "life"))
	require.NoError(t, err)
	janitor := os.NewFile(uintptr(ends[1]), "life")
	changes := hearNodes(janitor)
	nodes := []cluster.Node{{Name: "worker-1"}, {Name: "worker-2"}}
	reported := make(chan error, 1)
	go func() { reported <- l.report(t.Context(), nodes) }()
	change := <-changes
	assert.Equal(t, nodes, change.nodes)
	select {
	case <-reported:
		t.Fatal("it is reported before the world knows")
	case <-time.After(20 * time.Millisecond):
	}
	change.done(nil)
	assert.NoError(t, <-reported)

	// What the janitor cannot write down fails, and what comes after does not.
	go func() { reported <- l.report(t.Context(), nodes) }()
	(<-changes).done(errors.New("no space left on device"))
	assert.ErrorContains(t, <-reported, "no space left on device")
	brief, cancel := context.WithCancel(t.Context())
	go func() { reported <- l.report(brief, nodes) }()
	late := <-changes
	cancel()
	assert.ErrorIs(t, <-reported, context.Canceled)
	late.done(errors.New("late"))
	go func() { reported <- l.report(t.Context(), nodes[:1]) }()
	change = <-changes
	assert.Equal(t, nodes[:1], change.nodes)
	change.done(nil)
	assert.NoError(t, <-reported, "the answer is not the late one's")

	require.NoError(t, unix.Shutdown(ends[1], unix.SHUT_RDWR))
	select {
	case <-l.ended:
	case <-time.After(5 * time.Second):
		t.Fatal("the end of the janitor is not seen")
	}
	assert.Error(t, l.report(t.Context(), nodes))
}

func TestOnlyMembersOfANodeAreSignalled(t *testing.T) {
	other := exec.Command("/bin/sleep", "60")
	require.NoError(t, other.Start())
	defer func() { _ = other.Process.Kill(); _ = other.Wait() }()
	pid := other.Process.Pid
	hit, err := signalMember(pid, "worker-1", unix.SIGSTOP, func(int, byte) bool { return true })
	require.NoError(t, err)
	assert.False(t, hit, "it is in no group of that name")
	state, ok := processState(pid)
	require.True(t, ok)
	assert.False(t, standsStill(state), "%c", state)

	require.NoError(t, syscall.Kill(pid, syscall.SIGSTOP))
	require.Eventually(t, func() bool { state, ok := processState(pid); return ok && standsStill(state) }, 5*time.Second, time.Millisecond)
	_, ok = processState(1 << 30)
	assert.False(t, ok)
}

func TestAStopThatWaitsIsRead(t *testing.T) {
	const status = "Name:\tsh\nState:\tD (disk sleep)\nSigQ:\t1/94\nSigPnd:\t%s\nShdPnd:\t%s\nSigBlk:\t0000000000040000\n"
	const none, stop, others = "0000000000000000", "0000000000040000", "fffffffffffbffff"
	assert.False(t, hasPending(fmt.Sprintf(status, none, none), unix.SIGSTOP))
	assert.True(t, hasPending(fmt.Sprintf(status, none, stop), unix.SIGSTOP))
	assert.True(t, hasPending(fmt.Sprintf(status, stop, none), unix.SIGSTOP))
	assert.False(t, hasPending(fmt.Sprintf(status, others, others), unix.SIGSTOP))
	assert.False(t, stopPending(os.Getpid()))
	assert.False(t, stopPending(1<<30), "it has ended")
}

func TestANodeHearsNothingBeforeItsSetup(t *testing.T) {
	link, theirs, err := socketPair("worker-1")
	require.NoError(t, err)
	defer theirs.Close()
	defer link.conn.Close()
	node := nodeConfig{Name: "worker-1", Index: 1}
	s, r := newSlot(node), newNodeRun(0, link)
	s.space = 7
	h := &host{cfg: config{Nodes: layOut(cluster.Spec{Workers: 1})}, slots: []*slot{s}}
	assert.True(t, h.began(s, r))
	h.letJoin() // while the node is plugged in
	h.tell(order{Peers: []nodeConfig{node}})
	require.NoError(t, h.instruct(s, r, true))
	h.tell(order{Stop: true})

	orders := json.NewDecoder(theirs)
	var first, second, third order
	require.NoError(t, orders.Decode(&first))
	require.NotNil(t, first.Setup)
	assert.Equal(t, node, first.Setup.Node)
	assert.Equal(t, []nodeConfig{node}, first.Setup.Peers)
	assert.EqualValues(t, 7, first.Setup.VolumeSpace)
	require.NoError(t, orders.Decode(&second))
	assert.Equal(t, order{Go: true}, second)
	require.NoError(t, orders.Decode(&third))
	assert.Equal(t, order{Stop: true}, third)
}

func TestANodeMayStopTwice(t *testing.T) {
	r := newNodeRun(0, nil)
	r.note(event{What: whatStopped})
	r.note(event{What: whatStopped})
	<-r.stopped
}

func TestOutputThatStaysOpenEndsWithTheContext(t *testing.T) {
	p, err := newPipes(cluster.Exec{})
	require.NoError(t, err)
	defer p.close()
	kept, err := unix.Dup(int(p.theirs[1])) // as a program that has left its session
	require.NoError(t, err)
	defer unix.Close(kept)
	p.start()
	ctx, cancel := context.WithCancel(t.Context())
	drained := make(chan error, 1)
	go func() { drained <- p.drain(ctx) }()
	select {
	case err := <-drained:
		t.Fatalf("it does not wait for the output: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	cancel()
	select {
	case err := <-drained:
		assert.ErrorIs(t, err, context.Canceled)
	case <-time.After(10 * time.Second):
		t.Fatal("it waits for output that never ends")
	}
}

func TestALockThatIsLookedAtIsFree(t *testing.T) {
	path := filepath.Join(t.TempDir(), lockFile)
	looking, err := os.Create(path)
	require.NoError(t, err)
	defer looking.Close()
	require.NoError(t, unix.Flock(int(looking.Fd()), unix.LOCK_SH))
	_, err = takeFree(t.Context(), path)
	assert.ErrorIs(t, err, cluster.ErrExists, "it is held for good")
	defer time.AfterFunc(20*time.Millisecond, func() { looking.Close() }).Stop()
	f, err := takeFree(t.Context(), path)
	require.NoError(t, err)
	f.Close()
}

func TestAWorkerThatIsAddedHasANameAndKeysOfItsOwn(t *testing.T) {
	keys, err := newPKI(time.Now())
	require.NoError(t, err)
	h := &host{cfg: config{PKI: keys, Nodes: layOut(cluster.Spec{Workers: 1})}}
	for _, n := range h.cfg.Nodes {
		h.slots = append(h.slots, newSlot(n))
	}
	h.next = MaxWorkers + 1 // beyond those that prepared state has keys for
	s, err := h.enrol()
	require.NoError(t, err)
	assert.Equal(t, workerName(MaxWorkers+1), s.node.Name)
	cert, err := h.cfg.PKI.parse("kubelet-client-" + s.node.Name)
	require.NoError(t, err)
	assert.Equal(t, "system:node:"+s.node.Name, cert.Subject.CommonName)
	for len(h.slots) < maxNodes {
		_, err := h.enrol()
		require.NoError(t, err)
	}
	_, err = h.enrol()
	assert.ErrorIs(t, err, cluster.ErrUnsupported)
	h.slots = h.slots[:2]
	h.next = furtherControlPlanes
	_, err = h.enrol()
	assert.ErrorIs(t, err, cluster.ErrUnsupported, "its addresses would be another's")
}
