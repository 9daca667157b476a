package oracle

import (
	"testing"
	"time"

	"squall/reports"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const version = "v1.36.3"

// stock are the timers of a cluster of one control plane and workers as it comes.
func stock(workers int) reports.TimersEntry {
	tolerated := 300 * time.Second
	timers := reports.TimersEntry{
		Flags: map[string]map[string]string{controllerManager: {}},
		Pods: []reports.PodTimers{{
			Workload: "catalog", Controller: "ReplicaSet", Grace: 30 * time.Second,
			Period: time.Second, Successes: 1, NotReady: &tolerated, Unreachable: &tolerated,
		}},
	}
	for i := range workers + 1 {
		timers.Kubelets = append(timers.Kubelets, reports.KubeletTimers{Node: string(rune('a' + i)), Lease: 40 * time.Second})
	}
	return timers
}

func find(t *testing.T, all []Prediction, m Measure) Prediction {
	t.Helper()
	for _, p := range all {
		if p.Measure == m {
			return p
		}
	}
	require.Failf(t, "not predicted", "%s is not among %v", m, all)
	return Prediction{}
}

// The windows are those that are published for stock Kubernetes, see docs/oracle.md.
func TestWindows(t *testing.T) {
	fast := stock(2)
	fast.Flags[controllerManager] = map[string]string{"node-monitor-grace-period": "10s", "node-monitor-period": "1s", "node-eviction-rate": "2"}
	tolerated := 15 * time.Second
	fast.Pods[0].Unreachable = &tolerated
	for i := range fast.Kubelets {
		fast.Kubelets[i].Lease = 8 * time.Second
	}
	ordered := stock(2)
	ordered.Pods[0].Controller = "StatefulSet"
	slow := stock(2)
	slow.Pods[0].Start, slow.Pods[0].InitialDelay, slow.Pods[0].Successes = 2*time.Second, 5*time.Second, 3
	none := time.Duration(0)
	second := time.Second
	for _, one := range []struct {
		name        string
		version     string
		timers      reports.TimersEntry
		fault       Fault
		measure     Measure
		least, most time.Duration
	}{
		{"pod of a Deployment", version, stock(2), Fault{Kind: PodKill, Workloads: []string{"catalog"}}, Healed, 0, 5 * second},
		{"pod that starts slowly", version, slow, Fault{Kind: PodKill, Workloads: []string{"catalog"}}, Healed, 7 * second, 11 * second},
		{"pod of a StatefulSet", version, ordered, Fault{Kind: PodKill, Workloads: []string{"catalog"}}, Healed, 0, 35 * second},
		{"pod of a StatefulSet, by force", version, ordered, Fault{Kind: PodKill, Workloads: []string{"catalog"}, Grace: &none}, Healed, 0, 5 * second},
		{"node, stock", version, stock(2), Fault{Kind: NodePowerOff, Workloads: []string{"catalog"}, Nodes: []string{"b"}}, Detected, 39600 * time.Millisecond, 61 * second},
		{"node, stock", version, stock(2), Fault{Kind: NodePowerOff, Workloads: []string{"catalog"}, Nodes: []string{"b"}}, Withdrawn, 39600 * time.Millisecond, 62 * second},
		{"node, stock", version, stock(2), Fault{Kind: NodePowerOff, Workloads: []string{"catalog"}, Nodes: []string{"b"}}, Healed, 339600 * time.Millisecond, 370100 * time.Millisecond},
		{"node, before 1.32", "v1.31.9", stock(2), Fault{Kind: NodeStop, Workloads: []string{"catalog"}, Nodes: []string{"b"}}, Detected, 29600 * time.Millisecond, 51 * second},
		{"two nodes, stock", version, stock(5), Fault{Kind: NodeStop, Workloads: []string{"catalog"}, Nodes: []string{"b", "c"}}, Healed, 339600 * time.Millisecond, 380100 * time.Millisecond},
		{"node, fast", version, fast, Fault{Kind: NodeStop, Workloads: []string{"catalog"}, Nodes: []string{"b"}}, Healed, 22920 * time.Millisecond, 33100 * time.Millisecond},
	} {
		all, err := Predict(one.version, one.timers, one.fault)
		require.NoError(t, err, one.name)
		least, most := find(t, all, one.measure).Window()
		assert.Equal(t, one.least, least, "%s: %s, least", one.name, one.measure)
		assert.Equal(t, one.most, most, "%s: %s, most", one.name, one.measure)
	}
}

// A window is no wider than the periods that are free and the time to start.
func TestWindowsAreNarrow(t *testing.T) {
	all, err := Predict(version, stock(2), Fault{Kind: NodePowerOff, Workloads: []string{"catalog"}, Nodes: []string{"b"}})
	require.NoError(t, err)
	killed, err := Predict(version, stock(2), Fault{Kind: PodKill, Workloads: []string{"catalog"}})
	require.NoError(t, err)
	all = append(all, killed...)
	for _, p := range all {
		least, most := p.Window()
		var free time.Duration
		for _, term := range p.Terms {
			assert.GreaterOrEqual(t, term.Free(), time.Duration(0), "%s: %s", p.Measure, term.Name)
			if term.From != "allowance" {
				free += term.Free()
			}
		}
		assert.LessOrEqual(t, most-least, free+StartUp, "%s", p.Measure)
	}
}

func TestWhatNeverHeals(t *testing.T) {
	bare, forever, ordered := stock(2), stock(2), stock(2)
	bare.Pods[0].Controller = ""
	forever.Pods[0].Unreachable = nil
	ordered.Pods[0].Controller = "StatefulSet"
	three := Fault{Kind: NodeStop, Workloads: []string{"catalog"}, Nodes: []string{"b", "c", "d"}}
	one := Fault{Kind: NodeStop, Workloads: []string{"catalog"}, Nodes: []string{"b"}}
	for _, c := range []struct {
		timers reports.TimersEntry
		fault  Fault
		why    string
	}{
		{bare, Fault{Kind: PodKill, Workloads: []string{"catalog"}}, "no controller"},
		{bare, one, "no controller"},
		{forever, one, "for ever"},
		{ordered, one, "StatefulSet"},
		{stock(4), three, "eviction rate is zero"}, // 3 of 5, which is 60 %
	} {
		all, err := Predict(version, c.timers, c.fault)
		require.NoError(t, err)
		healed := find(t, all, Healed)
		assert.True(t, healed.Never)
		assert.Contains(t, healed.Why, c.why)
		assert.True(t, healed.Holds(reports.Never))
		assert.False(t, healed.Holds(20*time.Second))
	}
	all, err := Predict(version, stock(5), three) // half of six nodes are few enough
	require.NoError(t, err)
	assert.False(t, find(t, all, Healed).Never)
}

// A node that is back before leaves nothing for timers to decide.
func TestNodeThatComesBackSooner(t *testing.T) {
	fault := Fault{Kind: NodeStop, Workloads: []string{"catalog"}, Nodes: []string{"b"}, Lasts: 62 * time.Second}
	all, err := Predict(version, stock(2), fault)
	require.NoError(t, err)
	assert.Len(t, all, 2)
	fault.Lasts = 61*time.Second - 1
	all, err = Predict(version, stock(2), fault)
	require.NoError(t, err)
	assert.Empty(t, all)
}

// An eviction rate of 1 may be in force or not.
func TestRateThatMayBeStuck(t *testing.T) {
	stuck := stock(2)
	stuck.Flags[controllerManager] = map[string]string{"node-eviction-rate": "1"}
	all, err := Predict(version, stuck, Fault{Kind: NodeStop, Workloads: []string{"catalog"}, Nodes: []string{"b"}})
	require.NoError(t, err)
	require.Len(t, all, 2)
	assert.Equal(t, []Measure{Detected, Withdrawn}, []Measure{all[0].Measure, all[1].Measure})
}

func TestHolds(t *testing.T) {
	p := Prediction{Terms: []Term{{Least: time.Second, Most: 2 * time.Second}, {Most: time.Second}}}
	for measured, holds := range map[time.Duration]bool{
		time.Second - 1: false, time.Second: true, 3 * time.Second: true, 3*time.Second + 1: false, reports.Never: false,
	} {
		assert.Equal(t, holds, p.Holds(measured), measured)
	}
}

func TestTimersThatAreMissingOrWrong(t *testing.T) {
	fault := Fault{Kind: NodeStop, Workloads: []string{"catalog"}, Nodes: []string{"b"}}
	noFlags, wrong := stock(2), stock(2)
	noFlags.Flags = nil
	wrong.Flags[controllerManager] = map[string]string{"node-monitor-period": "soon", "node-eviction-rate": "some"}
	for _, c := range []struct {
		version string
		timers  reports.TimersEntry
		fault   Fault
		says    []string
	}{
		{version, noFlags, fault, []string{"flags of kube-controller-manager were not read"}},
		{version, wrong, fault, []string{"--node-monitor-period=soon", "--node-eviction-rate=some"}},
		{"latest", stock(2), fault, []string{`version of Kubernetes "latest"`}},
		{version, stock(2), Fault{Kind: NodeStop, Workloads: []string{"catalog"}, Nodes: []string{"z"}}, []string{`node "z"`}},
		{version, stock(2), Fault{Kind: NodeStop, Workloads: []string{"cart"}, Nodes: []string{"b"}}, []string{`workload "cart"`}},
		{version, stock(2), Fault{Kind: PodKill, Workloads: []string{"cart"}}, []string{`workload "cart"`}},
	} {
		_, err := Predict(c.version, c.timers, c.fault)
		require.Error(t, err)
		for _, text := range c.says {
			assert.ErrorContains(t, err, text)
		}
	}
	all, err := Predict(version, reports.TimersEntry{}, Fault{Kind: "weather"})
	require.NoError(t, err)
	assert.Empty(t, all)
}

func TestFlagsOf(t *testing.T) {
	assert.Equal(t, map[string]string{"a": "1", "b": "2", "c": "true", "d": "", "e": "x=y", "f": "true"},
		FlagsOf([]string{"--a=1", "--b", "2", "--c", "--d=", "stray", "--e=x=y", "--f"}))
}
