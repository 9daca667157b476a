// Package e2e_test uses the built program as a user does, on real clusters. It
// needs Linux and root; everything that needs neither is tested beside the
// program's code.
package e2e_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// program is the path of the squall that is tested: $SQUALL_PROGRAM, which make
// sets so that nothing is compiled as root, or one that TestMain builds.
var program string

func TestMain(m *testing.M) {
	if program = os.Getenv("SQUALL_PROGRAM"); program != "" {
		os.Exit(m.Run())
	}
	folder, err := os.MkdirTemp("", "squall-e2e-")
	if err == nil {
		program = filepath.Join(folder, "squall")
		var said []byte
		if said, err = exec.Command("go", "build", "-o", program, "squall/cmd/squall").CombinedOutput(); err != nil {
			err = fmt.Errorf("build squall: %w\n%s", err, said)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(folder)
	os.Exit(code)
}

// longest is more than any command here takes on any host.
const longest = 3 * time.Minute

// started is a squall that runs.
type started struct {
	cmd            *exec.Cmd
	stdout, stderr bytes.Buffer
	mu             sync.Mutex // of stderr
	seen           chan string
	ended          chan struct{}
}

// start starts squall. What it writes to standard error can be waited for.
func start(t *testing.T, args ...string) *started {
	t.Helper()
	return startCommand(t, exec.Command(program, args...))
}

// startHolding is start with a file more that squall inherits, as from a shell that
// holds a lock. The function wants that nobody has it open.
func startHolding(t *testing.T, args ...string) (s *started, free func(t *testing.T)) {
	t.Helper()
	ours, theirs, err := os.Pipe()
	require.NoError(t, err)
	c := exec.Command(program, args...)
	c.ExtraFiles = []*os.File{theirs}
	s = startCommand(t, c)
	require.NoError(t, theirs.Close())
	return s, func(t *testing.T) {
		t.Helper()
		require.NoError(t, ours.SetReadDeadline(time.Now().Add(time.Second)))
		_, err := ours.Read(make([]byte, 1))
		require.ErrorIs(t, err, io.EOF, "something that squall left running holds a file that squall's caller gave to squall alone")
	}
}

func startCommand(t *testing.T, c *exec.Cmd) *started {
	t.Helper()
	s := &started{cmd: c, seen: make(chan string, 1000), ended: make(chan struct{})}
	s.cmd.Env = append(os.Environ(), fmt.Sprintf("SQUALL_TEST_RUN=%p", s)) // see childrenOf
	s.cmd.Stdout = &s.stdout
	pipe, err := s.cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, s.cmd.Start())
	go func() {
		lines := bufio.NewScanner(pipe)
		for lines.Scan() {
			s.mu.Lock()
			fmt.Fprintln(&s.stderr, lines.Text())
			s.mu.Unlock()
			s.seen <- lines.Text()
		}
		_, _ = io.Copy(io.Discard, pipe)
		_ = s.cmd.Wait() // its code is looked at by those who wait
		close(s.ended)
	}()
	t.Cleanup(func() {
		_ = s.cmd.Process.Kill() // has ended already when all went well
		<-s.ended
	})
	return s
}

// until waits for a line on standard error that holds text.
func (s *started) until(t *testing.T, text string) {
	t.Helper()
	deadline := time.After(longest)
	for {
		select {
		case line := <-s.seen:
			if strings.Contains(line, text) {
				return
			}
		case <-s.ended:
			require.Failf(t, "squall ended early", "before %q:\n%s", text, s.said())
		case <-deadline:
			require.Failf(t, "squall is stuck", "before %q:\n%s", text, s.said())
		}
	}
}

// code waits for the end and returns the exit code.
func (s *started) code(t *testing.T) int {
	t.Helper()
	select {
	case <-s.ended:
	case <-time.After(longest):
		require.Failf(t, "squall does not end", "%s", s.said())
	}
	return s.cmd.ProcessState.ExitCode()
}

// said is all that it has written.
func (s *started) said() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stderr.String()
}

// squall runs a command to its end and wants an exit code.
func squall(t *testing.T, code int, args ...string) (stdout, stderr string) {
	t.Helper()
	s := start(t, args...)
	got := s.code(t)
	require.Equal(t, code, got, "squall %s\n%s%s", strings.Join(args, " "), s.stdout.String(), s.said())
	return s.stdout.String(), s.said()
}

// clusterOf is the name of the cluster that a squall has made.
func clusterOf(t *testing.T, s *started) string {
	t.Helper()
	states, err := filepath.Glob("/run/squall/clusters/*/state.json")
	require.NoError(t, err)
	for _, file := range states {
		var state struct{ Janitor int }
		text, err := os.ReadFile(file)
		if err != nil || json.Unmarshal(text, &state) != nil {
			continue // another cluster that goes away just now
		}
		status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", state.Janitor))
		if bytes.Contains(status, fmt.Appendf(nil, "PPid:\t%d\n", s.cmd.Process.Pid)) {
			return filepath.Base(filepath.Dir(file))
		}
	}
	require.Failf(t, "no cluster", "squall %d has none", s.cmd.Process.Pid)
	return ""
}

// nothingLeft wants that within two seconds nothing is left of a cluster. A
// control group can only go when no process is in it.
func nothingLeft(t *testing.T, name string) {
	t.Helper()
	require.NotEmpty(t, name)
	var left []string
	assert.Eventually(t, func() bool {
		left = nil
		for _, pattern := range []string{"/run/squall/clusters/" + name, "/sys/fs/cgroup/squall." + name, "/sys/fs/cgroup/*/squall." + name} {
			found, _ := filepath.Glob(pattern)
			left = append(left, found...)
		}
		return len(left) == 0
	}, 2*time.Second, 20*time.Millisecond)
	assert.Empty(t, left)
}

// signal sends a signal.
func (s *started) signal(t *testing.T, with syscall.Signal) {
	t.Helper()
	require.NoError(t, s.cmd.Process.Signal(with))
}
