package traffic

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// envStarved makes the test binary a generator that has little of what it needs:
// "files" or "ports".
const envStarved = "SQUALL_TEST_STARVED"

// starved is a generator that has little of something.
func starved(of string) error {
	switch of {
	case "files":
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 20, Max: 20}); err != nil {
			return err
		}
	case "ports": // in a network of its own, whose server holds on to what it gets
		if err := loopback(); err != nil {
			return err
		}
		if err := os.WriteFile("/proc/sys/net/ipv4/ip_local_port_range", []byte("50000 50007"), 0); err != nil {
			return err
		}
		listener, err := net.Listen("tcp4", "127.0.0.1:8080")
		if err != nil {
			return err
		}
		go func() {
			_ = http.Serve(listener, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { select {} }))
		}()
	}
	return Main(context.Background(), os.Stdin, os.Stdout)
}

// loopback switches the loopback device on.
func loopback() error {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer unix.Close(socket)
	device, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	device.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(socket, unix.SIOCSIFFLAGS, device)
}

// starve runs a generator as a process that has little of something.
func starve(t *testing.T, of string, spec Spec) map[string]int {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	spec.Base = Monotonic()
	order, err := json.Marshal(spec)
	require.NoError(t, err)
	in, stdin := io.Pipe()
	defer stdin.Close()
	go func() { _, _ = stdin.Write(append(order, '\n')) }()
	child := exec.CommandContext(t.Context(), self)
	child.Env = append(os.Environ(), envStarved+"="+of)
	child.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	if of != "ports" {
		child.SysProcAttr = nil
	} else if os.Geteuid() != 0 {
		child.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		child.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
	}
	var stderr bytes.Buffer
	child.Stderr = &stderr
	input, err := child.StdinPipe()
	require.NoError(t, err)
	output, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	go func() { _, _ = io.Copy(input, in) }()
	var results []Result
	_, err = Read(output, func(r Result) { results = append(results, r) })
	assert.NoError(t, err)
	assert.NoError(t, child.Wait(), stderr.String())
	return reasons(results)
}

func TestAGeneratorWithoutFiles(t *testing.T) {
	hang := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hang }))
	defer server.Close()
	defer close(hang)
	spec := Spec{Name: "browse", URL: server.URL, Rate: 200, Until: 250 * time.Millisecond, Timeout: 500 * time.Millisecond}
	got := starve(t, "files", spec)
	assert.Greater(t, got[TooManyFiles], 30, got)
	assert.Equal(t, 50, got[TooManyFiles]+got["timeout"], got)
}

func TestAGeneratorWithoutPorts(t *testing.T) {
	got := starve(t, "ports", Spec{Name: "browse", URL: "http://127.0.0.1:8080", Rate: 200, Until: 250 * time.Millisecond, Timeout: 500 * time.Millisecond})
	assert.Equal(t, map[string]int{"timeout": 8, NoFreePort: 42}, got)
}

func TestWhatTheOwnHostLacks(t *testing.T) {
	for reason, all := range map[string][]error{
		NoFreePort:   {&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.EADDRNOTAVAIL)}},
		TooManyFiles: {os.NewSyscallError("socket", syscall.ENFILE), &net.DNSError{Err: "dial udp 10.0.0.10:53: socket: too many open files", Name: "gateway"}},
		OutOfMemory:  {os.NewSyscallError("socket", syscall.ENOBUFS), os.NewSyscallError("connect", syscall.ENOMEM)},
	} {
		for _, err := range all {
			assert.Equal(t, reason, reasonOf(err))
		}
	}
	assert.Equal(t, "connection refused", reasonOf(os.NewSyscallError("connect", syscall.ECONNREFUSED)))
	assert.Equal(t, "name not resolved: no such host", reasonOf(&net.DNSError{Err: "no such host"}))
	assert.Equal(t, "send: gateway: too many open files, it says", reasonOf(errors.New("gateway: too many open files, it says")))
}

// reasonOf is the reason of an error in a request that was not cut off.
func reasonOf(err error) string { return reason(context.Background(), fmt.Errorf("send: %w", err)) }

func TestTheGeneratorTellsItsPauses(t *testing.T) {
	c := newClock(Monotonic())
	var told []Self
	i := introspect(c, func(s Self) { told = append(told, s) })
	began := c.now()
	for range 5 {
		runtime.GC()
	}
	i.close()
	ended := c.now()
	require.NotEmpty(t, told)
	var pauses []Pause
	for _, s := range told {
		pauses = append(pauses, s.Pauses...)
	}
	require.GreaterOrEqual(t, len(pauses), 5)
	for n, p := range pauses {
		assert.Positive(t, p.Took)
		assert.Less(t, p.Took, ended-began)
		// The runtime tells by the wall clock when a pause ended.
		assert.WithinRange(t, time.Time{}.Add(p.At), time.Time{}.Add(began-time.Second), time.Time{}.Add(ended+time.Second))
		assert.True(t, n == 0 || pauses[n-1].At <= p.At, "in order")
	}
}

func TestWhatIsToldIsReadBesideTheResults(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { runtime.GC() }))
	defer server.Close()
	spec, err := json.Marshal(Spec{Name: "browse", URL: server.URL, Rate: 20, Until: 1200 * time.Millisecond, Base: Monotonic()})
	require.NoError(t, err)
	in, stdin := io.Pipe()
	defer stdin.Close()
	go func() { _, _ = stdin.Write(append(spec, '\n')) }()
	var out bytes.Buffer
	require.NoError(t, Main(t.Context(), in, &out))
	results, told, pauses := 0, 0, 0
	_, err = ReadAll(strings.NewReader(out.String()), func(Result) { results++ }, func(s Self) {
		told++
		pauses += len(s.Pauses)
	})
	require.NoError(t, err)
	assert.Equal(t, 24, results)
	assert.GreaterOrEqual(t, told, 2, "each second, and at the end")
	assert.GreaterOrEqual(t, pauses, 24, "the server is in the same process")
}
