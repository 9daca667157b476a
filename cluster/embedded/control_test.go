//go:build linux

package embedded

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
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
	change.done()
	assert.NoError(t, <-reported)

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
