//go:build linux

package embedded

import (
	"os"
	"strings"
	"testing"

	"squall/cluster"
	"squall/cluster/hostroom"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/api/resource"
)

func TestProbingFindsWhatIsHereAndChangesNothing(t *testing.T) {
	look := func() string {
		links, err := os.ReadDir("/sys/class/net")
		require.NoError(t, err)
		mounts, err := os.ReadFile("/proc/self/mountinfo")
		require.NoError(t, err)
		var names []string
		for _, l := range links {
			names = append(names, l.Name())
		}
		return strings.Join(names, " ") + string(mounts)
	}
	before := look()
	facts := map[string]Fact{}
	for _, f := range Probe(t.Context()) {
		facts[f.What] = f
		assert.False(t, f.Unknown, f.What)
		assert.True(t, f.OK || f.Way != "", "%s: a way out", f.What)
		if f.For == "" {
			assert.True(t, f.OK, "%s: clusters run here: %s", f.What, f.Way)
		}
	}
	assert.Len(t, facts, len(trials())+1)
	assert.Equal(t, before, look())
}

func TestTrialsThatFailSayWhy(t *testing.T) {
	// In the test's own namespaces there is no such link, and these fail before
	// they could change anything.
	assert.ErrorContains(t, tryNetem(), "no link")
	assert.ErrorContains(t, run("/bin/false"), "exit status 1")
	assert.ErrorContains(t, run("/no/such/program"), "no such file")
}

func TestEveryAbilitySaysWhatItIsFor(t *testing.T) {
	for _, f := range Abilities(t.Context()) {
		assert.NotEmpty(t, f.For, f.What)
		assert.True(t, f.OK || f.Way != "", f.What)
	}
}

// The mappings of a position-independent program, recorded: the kernel knows
// nothing of what was relocated in the second and the third.
func TestOnlyCodeIsLetGoOf(t *testing.T) {
	var code []string
	fixed := 0
	for _, line := range []string{
		"55d0a6c00000-55d0a8400000 r-xp 00000000 fe:00 1337 /opt/squall",
		"55d0a8400000-55d0aa000000 r--p 01800000 fe:00 1337 /opt/squall",
		"55d0aa000000-55d0aa100000 rw-p 03400000 fe:00 1337 /opt/squall",
		"7f0000000000-7f0000100000 r-xp 00000000 fe:00 1338 /lib/libc.so.6",
		"7ffd00000000-7ffd00002000 r-xp 00000000 00:00 0 [vdso]",
		"7f0000200000-7f0000300000 rw-p 00000000 00:00 0",
	} {
		if isInFile(strings.Fields(line), "/opt/squall", false) {
			code = append(code, line[:12])
		}
		if isInFile(strings.Fields(line), "/opt/squall", true) {
			fixed++
		}
	}
	assert.Equal(t, []string{"55d0a6c00000"}, code)
	assert.Greater(t, fixed, len(code), "with fixed addresses read-only data is in the file as well")
}

func TestKernelsAreComparedByNumber(t *testing.T) {
	for release, ok := range map[string]bool{
		"6.18.44": true, "5.13.0-generic": true, "5.4.0-150": false, "4.19.1": false, "10.0": true, "odd": false,
	} {
		assert.Equal(t, ok, judgeKernel(release).OK, release)
	}
}

func TestLimitsOfTheKernelNameTheCommand(t *testing.T) {
	low := kernelLimit("kernel.pid_max", 1<<40, 1<<41, "tests")
	assert.False(t, low.OK)
	assert.Equal(t, "sysctl -w kernel.pid_max=2199023255552", low.Way)
	assert.True(t, kernelLimit("kernel.pid_max", 1, 2, "tests").OK)
	assert.True(t, kernelLimit("no.such.setting", 1, 2, "tests").Unknown)
}

func TestProgramsAreLookedForWhereNodesLook(t *testing.T) {
	t.Setenv("PATH", "")
	assert.True(t, findProgram("mount"))
	assert.False(t, findProgram("no-such-program"))
}

func TestWorkersMustFitIntoTheHost(t *testing.T) {
	_, err := New(t.TempDir()).Create(t.Context(), cluster.Spec{Name: "big", Workers: 3, NodeMemory: resource.MustParse("1Ti")}, nil)
	assert.ErrorIs(t, err, cluster.ErrHost)
	assert.ErrorContains(t, err, "enough for 0 such workers")
}

func TestTheDisksOfAClusterAreBounded(t *testing.T) {
	assert.EqualValues(t, (10<<30-16<<30/5)/2, diskSize(hostroom.Memory{Total: 16 << 30, Available: 10 << 30}))
	assert.EqualValues(t, leastDisk, diskSize(hostroom.Memory{Total: 16 << 30, Available: 3 << 30}), "a cluster must come up")
}

func TestProgramsOnMountsOfTheirOwn(t *testing.T) {
	assert.Equal(t, []string{"/usr", "/usr/local", "/lib64", "/usr/with blank"}, separateMounts([]string{
		"27 1 254:0 / / rw,relatime - ext4 /dev/vda rw",
		"28 27 254:1 / /usr ro,relatime - ext4 /dev/vdb ro",
		"29 28 254:2 / /usr/local rw,relatime - ext4 /dev/vdc rw",
		"30 27 254:3 / /lib64 rw,relatime - ext4 /dev/vdd rw",
		"31 27 254:3 / /usr2 rw,relatime - ext4 /dev/vdd rw",
		`33 27 254:4 / /usr/with\040blank rw,relatime - ext4 /dev/vde rw`,
		"32 27 0:21 / /proc rw - proc proc rw",
		"",
	}))
}

func TestWhatIsInTheWayOfControllers(t *testing.T) {
	g, root := recorded(t, "cpu cpuset memory pids", "")
	assert.True(t, g.fact().OK, "the kernel's own root")
	require.NoError(t, os.WriteFile(root+"/cgroup.type", []byte("domain\n"), 0o644))
	assert.True(t, g.fact().OK, "a container's, with no process in it")
	require.NoError(t, os.WriteFile(root+"/cgroup.procs", []byte("1\n77\n"), 0o644))
	f := g.fact()
	assert.False(t, f.OK)
	assert.Contains(t, f.Way, "mkdir -p "+root+"/init && xargs -rn1 < "+root+"/cgroup.procs")
	require.NoError(t, os.WriteFile(root+"/cgroup.subtree_control", []byte("cpu cpuset memory pids\n"), 0o644))
	assert.True(t, g.fact().OK, "handed on already")
	g.Controllers = []string{"memory", "pids"}
	assert.Contains(t, g.fact().Way, "cpu, cpuset not there: in a systemd service")
}
