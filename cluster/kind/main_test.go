package kind

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"squall/cluster"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/api/resource"
)

// The test program is also every part of a cluster, and one that makes a cluster
// and can be killed.
func TestMain(m *testing.M) {
	if code, handled := Main(os.Args); handled {
		os.Exit(code)
	}
	if os.Getenv("SQUALL_TEST_AS") == "owner" {
		os.Exit(ownAs(os.Args[1]))
	}
	os.Exit(m.Run())
}

// ownAs makes a cluster that is to end with this process, tells how far it is,
// and waits.
func ownAs(name string) int {
	_, err := New(cacheDir()).Create(context.Background(), smallSpec(name), func(line string) { fmt.Println(line) })
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println("up")
	select {}
}

// cacheDir is where the program caches, so that tests need not build what is
// built.
func cacheDir() string {
	if dir := os.Getenv("SQUALL_CACHE"); dir != "" {
		return dir
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		panic(err)
	}
	return filepath.Join(dir, "squall")
}

func smallSpec(name string) cluster.Spec {
	return cluster.Spec{Name: name, Workers: 1, NodeCPU: resource.MustParse("1"), NodeMemory: resource.MustParse("2Gi")}
}

// leftOf lists what is left of a cluster.
func leftOf(name string) []string {
	ctx := context.Background()
	all, err := containersOf(ctx, name)
	left := ids(all)
	if err != nil {
		left = append(left, err.Error())
	}
	if n, err := inspectNetwork(ctx, networkName(name)); err == nil {
		left = append(left, "network "+n.Name)
	}
	folder := New(cacheDir()).folder(name)
	if _, err := os.Stat(folder); err == nil {
		left = append(left, folder)
	}
	return left
}

// goneWithin is how long a cluster whose maker was killed may take to be gone.
const goneWithin = 30 * time.Second

func assertNothingLeft(t *testing.T, name string) {
	t.Helper()
	assert.Eventually(t, func() bool { return len(leftOf(name)) == 0 }, goneWithin, 100*time.Millisecond)
	assert.Empty(t, leftOf(name))
}

// owner is a process that makes a cluster.
type owner struct {
	command *exec.Cmd
	said    chan string
}

// own starts one. What it makes is removed at the end, however the test ends.
func own(t *testing.T, name string) *owner {
	exe, err := os.Executable()
	require.NoError(t, err)
	o := &owner{command: exec.Command(exe, name), said: make(chan string, 1000)}
	o.command.Env = append(os.Environ(), "SQUALL_TEST_AS=owner")
	out, err := o.command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, o.command.Start())
	go func() {
		defer close(o.said)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			o.said <- lines.Text()
		}
	}()
	t.Cleanup(func() {
		_ = o.command.Process.Kill()
		_ = o.command.Wait()
		require.NoError(t, New(cacheDir()).Remove(context.Background(), name))
	})
	return o
}

// await waits until the process has said something.
func (o *owner) await(t *testing.T, what string) {
	late := time.After(3 * time.Minute)
	var all []string
	for {
		select {
		case line, open := <-o.said:
			all = append(all, line)
			if strings.Contains(line, what) {
				return
			}
			if !open {
				t.Fatalf("it ended and never said %q, but %v", what, all)
			}
		case <-late:
			t.Fatalf("it did not say %q, but %v", what, all)
		}
	}
}
