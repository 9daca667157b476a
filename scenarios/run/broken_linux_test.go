package run

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"squall/cluster"
	"squall/reports"
	"squall/scenarios"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
	"k8s.io/client-go/tools/clientcmd"
)

// wayIn is a provider whose clusters' API is reached through a door.
type wayIn struct {
	*provider
	t    *testing.T
	door *door
}

func (w *wayIn) Create(ctx context.Context, spec cluster.Spec, progress func(string)) (cluster.Cluster, error) {
	c, err := w.provider.Create(ctx, spec, progress)
	return throughDoor{c, w}, err
}

type throughDoor struct {
	cluster.Cluster
	by *wayIn
}

func (c throughDoor) Kubeconfig() ([]byte, error) {
	text, err := c.Cluster.Kubeconfig()
	if err != nil {
		return nil, err
	}
	config, err := clientcmd.Load(text)
	if err != nil {
		return nil, err
	}
	for _, one := range config.Clusters {
		c.by.door = newDoor(c.by.t, strings.TrimPrefix(one.Server, "https://"))
		one.Server = "https://" + c.by.door.listener.Addr().String()
	}
	return clientcmd.Write(*config)
}

// TestBrokenRunsNeverPass breaks what a verdict rests on, one thing a run, where the
// same run passes unbroken ([TestPodKillPasses]). Each run says what was broken.
func TestBrokenRunsNeverPass(t *testing.T) {
	const phases = "{warmup: 1s, steady: 2s, fault: 3s, recovery: 5s}"
	for name, broken := range map[string]struct {
		prepare func(t *testing.T, o *Options, s *scenarios.Scenario, shown *screen)
		says    []string
	}{
		"the fault is not injected": {
			prepare: func(_ *testing.T, o *Options, _ *scenarios.Scenario, _ *screen) { o.NoInject = true },
			says:    []string{"debug switches were on: no-inject", `event "kill" did not bite`, "the watch has not seen it deleted"},
		},
		"no load is sent": {
			prepare: func(_ *testing.T, o *Options, _ *scenarios.Scenario, _ *screen) { o.Traffic[1] = "silent" },
			says:    []string{`generator: the generator of load "browse"`},
		},
		"the load goes elsewhere": {
			prepare: func(_ *testing.T, _ *Options, s *scenarios.Scenario, _ *screen) {
				s.Spec.Load[0].Target.Path = "/absent"
			},
			says: []string{"steady"},
		},
		"the generator gets no processor time": {
			prepare: func(t *testing.T, o *Options, _ *scenarios.Scenario, shown *screen) {
				shown.text, shown.seen = "steady", func() { starve(t, processes(t, o.Traffic[2])) }
			},
			says: []string{"send lag"},
		},
		"the watches are cut": {
			prepare: func(t *testing.T, o *Options, _ *scenarios.Scenario, shown *screen) {
				in := &wayIn{provider: o.Provider.(*provider), t: t}
				o.Provider = in
				shown.text, shown.seen = "kill: bitten", func() {
					in.door.shut()
					time.AfterFunc(blindLimit+time.Second, in.door.open)
				}
			},
			says: []string{"told nothing of its pods"},
		},
		"the wall clock is stepped": {
			prepare: func(_ *testing.T, o *Options, _ *scenarios.Scenario, shown *screen) {
				var step atomic.Int64
				o.wall = func() time.Time { return time.Now().Add(time.Duration(step.Load())) }
				shown.text, shown.seen = "steady", func() { step.Store(int64(-time.Minute)) }
			},
			says: []string{"environment: the host's wall clock was moved by -1m0s"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, shown := newProvider(t), &screen{}
			o, s := options(t, p, shown), podKill(t, phases)
			broken.prepare(t, &o, s, shown)
			dir, v, err := Run(within(t), s, o)
			require.NoError(t, err)
			p.requireNothingLeft(t)
			requireNoProcess(t, o.Traffic[2])
			open(t, s, dir, v)
			assert.Equal(t, reports.Inconclusive, v.Outcome, "%v", v.Reasons)
			for _, part := range broken.says {
				assert.Contains(t, strings.Join(v.Reasons, "\n"), part)
			}
		})
	}
}

// starve gives processes a hundredth of a processor, until the test ends.
func starve(t *testing.T, pids []int) {
	require.NotEmpty(t, pids)
	group, quota := "/sys/fs/cgroup/cpu/squall-test-"+randomHex(4), func(group string) error {
		return os.WriteFile(filepath.Join(group, "cpu.cfs_quota_us"), []byte("1000"), 0) // of 100 ms
	}
	if _, err := os.Stat("/sys/fs/cgroup/cgroup.controllers"); err == nil {
		group, quota = "/sys/fs/cgroup/squall-test-"+randomHex(4), func(group string) error {
			return os.WriteFile(filepath.Join(group, "cpu.max"), []byte("1000 100000"), 0)
		}
	}
	require.NoError(t, os.Mkdir(group, 0o755))
	t.Cleanup(func() {
		assert.Eventually(t, func() bool { return os.Remove(group) == nil }, 10*time.Second, 10*time.Millisecond, "processes are left in %s", group)
	})
	require.NoError(t, quota(group))
	for _, pid := range pids {
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/[0-9]*", pid))
		require.NoError(t, err)
		for _, thread := range threads { // a quota does not bind the real-time threads that generators are
			tid, err := strconv.Atoi(filepath.Base(thread))
			require.NoError(t, err)
			_ = unix.SchedSetAttr(tid, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_NORMAL}, 0) // it may have ended
		}
		require.NoError(t, os.WriteFile(filepath.Join(group, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0))
	}
}
