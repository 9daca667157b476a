package judge_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"squall/reports"
	"squall/scenarios/judge"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Nodes and what Kubernetes warns of are told beside the moment; what it says every
// day is not.
func TestNodesAndWarningsAreNeighbours(t *testing.T) {
	rec := soundRun()
	node := func(at time.Duration, n reports.NodeEntry) {
		n.Name = "worker-1"
		rec.add(at, reports.Entry{Kind: reports.KindNode, Node: &n})
	}
	notice := func(at time.Duration, n reports.NoticeEntry) {
		rec.add(at, reports.Entry{Kind: reports.KindNotice, Notice: &n})
	}
	node(killAt-sec, reports.NodeEntry{Ready: true})
	node(killAt+100*ms, reports.NodeEntry{Reason: "NodeStatusUnknown"})
	node(killAt+200*ms, reports.NodeEntry{Reason: "NodeStatusUnknown", Taints: []string{"a=b:NoExecute"}})
	node(killAt+300*ms, reports.NodeEntry{Ready: true, Unschedulable: true})
	node(killAt+400*ms, reports.NodeEntry{Ready: true})
	node(killAt+450*ms, reports.NodeEntry{Deleted: true})
	notice(killAt+550*ms, reports.NoticeEntry{Object: "Pod/catalog-b", Reason: "Unhealthy", Type: "Warning", Message: "Readiness probe failed"})
	notice(killAt+560*ms, reports.NoticeEntry{Object: "Pod/catalog-b", Reason: "Pulled", Type: "Normal"})
	rec.fail(killAt, killAt+every)
	var told []string
	for _, one := range finding(t, rec, "fault.lost == 0").Broke.Near {
		if strings.HasPrefix(one.What, "node ") || strings.HasPrefix(one.What, "Pod/") {
			told = append(told, fmt.Sprintf("%s %s", (one.At-killAt), one.What))
		}
	}
	assert.Equal(t, []string{
		"100ms node worker-1: not ready, NodeStatusUnknown",
		"300ms node worker-1: ready",
		"400ms node worker-1: takes pods again",
		"450ms node worker-1: deleted",
		"550ms Pod/catalog-b: Unhealthy: Readiness probe failed",
	}, told)
}

// A false expectation on a node broke when what it sees of the node last changed.
func TestTheMomentOfANode(t *testing.T) {
	rec := soundRun()
	for at, n := range map[time.Duration]reports.NodeEntry{
		sec: {Ready: true}, 12 * sec: {}, 13 * sec: {Taints: []string{"a=b:NoExecute"}}, downAt + 1: {Ready: true},
	} {
		n.Name = "worker-1"
		rec.add(at, reports.Entry{Kind: reports.KindNode, Node: &n})
	}
	s := podKill(that("it", `node("worker-1").ready`))
	s.Spec.Cluster.Workers = 1
	v := judge.Judge(s, &rec.rec)
	require.NotNil(t, v.Expect[0].Broke)
	assert.Equal(t, 12*sec, v.Expect[0].Broke.At)
}

// Lines of logs are told beside the moment: first those of pods that changed.
func TestLogLinesAreTold(t *testing.T) {
	rec := soundRun()
	rec.rec.Header.Started = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	rec.rec.Dir = t.TempDir()
	log := func(pod string, at ...time.Duration) {
		var text strings.Builder
		for _, one := range at {
			fmt.Fprintf(&text, "%s said at %s\n", rec.rec.Header.Started.Add(one).Format(time.RFC3339Nano), one-killAt)
		}
		name := filepath.Join(reports.FolderLogs, pod, "shop.log")
		require.NoError(t, os.MkdirAll(filepath.Join(rec.rec.Dir, filepath.Dir(name)), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(rec.rec.Dir, name), []byte(text.String()+"without a time\n"), 0o600))
		rec.add(downAt, reports.Entry{Kind: reports.KindLog, Log: &reports.LogEntry{Pod: "shop/" + pod, Container: "shop", File: name}})
	}
	log("catalog-a", killAt-1500*ms, killAt+ms, killAt+2*ms, killAt+3*ms, killAt+2001*ms) // it is killed
	log("catalog-b", killAt+ms, killAt+4*ms, killAt+5*ms, killAt+6*ms)                    // it goes on
	rec.add(downAt, reports.Entry{Kind: reports.KindLog, Log: &reports.LogEntry{Pod: "shop/x", Container: "x", File: "../../etc/passwd"}})
	rec.fail(killAt, killAt+every)
	var told []string
	for _, one := range finding(t, rec, "fault.lost == 0").Broke.Log {
		told = append(told, one.Of+" "+one.Text)
	}
	assert.Equal(t, []string{
		"catalog-a/shop said at -1.5s", "catalog-a/shop said at 1ms", "catalog-b/shop said at 1ms",
		"catalog-a/shop said at 2ms", "catalog-a/shop said at 3ms", "catalog-b/shop said at 4ms",
	}, told)
}
