package e2e_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// kills is how many clusters are killed; the hundred of the project's promise
// take a quarter of an hour: go test ./cmd/squall/e2e -run SIGKILLs -kills 100.
var kills = flag.Int("kills", 10, "how many clusters TestSIGKILLsAtRandomMoments kills")

// killSeed makes the moments repeatable, as far as a living system can be.
var killSeed = flag.Uint64("kill-seed", 1, "the seed of the moments in TestSIGKILLsAtRandomMoments")

// goneWithin is how long what the kernel removes may take.
const goneWithin = 2 * time.Second

// moments are the stretches of a run in which a kill can fall: from the line on
// standard error that begins one, for so long. The first begins when the
// cluster's state folder is there, the last when teardown does.
var moments = []struct {
	name, after string
	long        time.Duration
}{
	{"bring-up", "", 4 * time.Second},
	{"run", "deploy", 8 * time.Second},
	{"teardown", " down", 150 * time.Millisecond},
}

// TestSIGKILLsAtRandomMoments kills supervisors, and every other time their
// janitors with them, while squall makes, uses and removes clusters.
func TestSIGKILLsAtRandomMoments(t *testing.T) {
	random := rand.New(rand.NewPCG(*killSeed, 0))
	before := hostState(t)
	for i := range *kills {
		moment := moments[i%len(moments)]
		janitorToo := i%2 == 1
		delay := time.Duration(random.Int64N(int64(moment.long)))
		t.Run(fmt.Sprintf("%d in %s after %s, janitor too %t", i, moment.name, delay.Round(time.Millisecond), janitorToo), func(t *testing.T) {
			killOne(t, moment.after, delay, janitorToo)
			assert.Equal(t, before, hostState(t), "links, mounts, nft tables, temporary files")
		})
	}
}

// killOne starts a run, kills its cluster and looks for what is left.
func killOne(t *testing.T, after string, delay time.Duration, janitorToo bool) {
	s := start(t, "run", "testdata/small.yaml", "--runs", filepath.Join(t.TempDir(), "runs"))
	state := stateOf(t, s)
	if after != "" {
		s.until(t, after)
	}
	select {
	case <-time.After(delay):
	case <-s.ended: // it was faster; there is nothing to kill
	}
	_ = syscall.Kill(state.Supervisor, syscall.SIGKILL) // gone already when the run has ended
	if janitorToo {
		_ = syscall.Kill(state.Janitor, syscall.SIGKILL)
	}
	name := state.Info.Name
	assert.Eventually(t, func() bool { return len(living(name)) == 0 }, goneWithin, 5*time.Millisecond)
	assert.Empty(t, living(name))
	if !janitorToo {
		nothingLeft(t, name)
	}
	assert.Contains(t, []int{0, 3, 4}, s.code(t), s.said()) // 0: the verdict stood before the kill
	squall(t, 0, "cluster", "list")
	nothingLeft(t, name)
	assert.Empty(t, childrenOf(s), "of the run itself")
}

// clusterState is what is needed of a cluster's state file.
type clusterState struct {
	Info                struct{ Name string }
	Janitor, Supervisor int
}

// stateOf waits until the cluster that squall makes has a supervisor.
func stateOf(t *testing.T, s *started) clusterState {
	t.Helper()
	var state clusterState
	require.Eventually(t, func() bool {
		files, _ := filepath.Glob("/run/squall/clusters/run-*/state.json")
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err == nil && json.Unmarshal(text, &state) == nil && state.Supervisor != 0 && parentOf(state.Janitor) == s.cmd.Process.Pid {
				return true
			}
		}
		return false
	}, longest, time.Millisecond, "squall makes no cluster:\n%s", s.said())
	return state
}

// parentOf is the parent of a process, 0 when there is none.
func parentOf(pid int) int {
	parent := 0
	for line := range strings.Lines(procFile(pid, "status")) {
		_, _ = fmt.Sscanf(line, "PPid:\t%d", &parent) // other lines do not match
	}
	return parent
}

func procFile(pid int, name string) string {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, name)) // a process that is gone has none
	return string(text)
}

// living lists what lives in a cluster's control groups; a zombie, which waits
// for the host's init, does not.
func living(name string) []string {
	return processesThat(func(pid int) bool { return strings.Contains(procFile(pid, "cgroup"), "/squall."+name) })
}

// childrenOf lists what a squall that has ended left running: its generators
// have its environment, and nothing else in a cluster has.
func childrenOf(s *started) []string {
	mark := fmt.Sprintf("SQUALL_TEST_RUN=%p\x00", s)
	return processesThat(func(pid int) bool { return strings.Contains(procFile(pid, "environ"), mark) })
}

// processesThat lists the processes that match and are not zombies.
func processesThat(match func(pid int) bool) []string {
	folders, _ := filepath.Glob("/proc/[0-9]*")
	var found []string
	for _, folder := range folders {
		var pid int
		_, _ = fmt.Sscanf(filepath.Base(folder), "%d", &pid)
		if match(pid) && !strings.Contains(procFile(pid, "status"), "State:\tZ") {
			found = append(found, fmt.Sprintf("%d %s", pid, strings.ReplaceAll(procFile(pid, "cmdline"), "\x00", " ")))
		}
	}
	return found
}

// hostState is what no cluster may change on the host.
func hostState(t *testing.T) string {
	t.Helper()
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	require.NoError(t, err)
	links, err := filepath.Glob("/sys/class/net/*")
	require.NoError(t, err)
	tables, err := exec.Command("nft", "list", "tables").CombinedOutput()
	require.NoError(t, err, string(tables))
	temporary, err := filepath.Glob(filepath.Join(os.TempDir(), "squall-unpack-*"))
	require.NoError(t, err)
	return fmt.Sprintf("%s\n%v\n%s\n%v", mounts, links, tables, temporary)
}
