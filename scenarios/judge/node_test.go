package judge_test

import (
	"testing"
	"time"

	"squall/reports"
	"squall/scenarios/judge"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestNodesAtTheEndOfQuiet(t *testing.T) {
	is := func(at time.Duration, n reports.NodeEntry) func(*tape) {
		return func(t *tape) {
			n.Name = "worker-1"
			t.add(at, reports.Entry{Kind: reports.KindNode, Node: &n})
		}
	}
	for name, c := range map[string]struct {
		changes            []func(*tape)
		ready, schedulable string
	}{
		"ready":               {[]func(*tape){is(sec, reports.NodeEntry{Ready: true})}, "true", "true"},
		"lost and back":       {[]func(*tape){is(30*sec, reports.NodeEntry{Ready: true}), is(20*sec, reports.NodeEntry{})}, "true", "true"},
		"lost":                {[]func(*tape){is(sec, reports.NodeEntry{Ready: true}), is(20*sec, reports.NodeEntry{})}, "false", "true"},
		"lost as it was read": {[]func(*tape){is(sec, reports.NodeEntry{Ready: true}), is(downAt, reports.NodeEntry{})}, "false", "true"},
		"taken down":          {[]func(*tape){is(sec, reports.NodeEntry{Ready: true}), is(downAt+1, reports.NodeEntry{})}, "true", "true"},
		"cordoned":            {[]func(*tape){is(sec, reports.NodeEntry{Ready: true, Unschedulable: true})}, "true", "false"},
		"removed":             {[]func(*tape){is(sec, reports.NodeEntry{Ready: true, Deleted: true})}, "false", "false"},
		"an old record": {nil, `absent: the record does not show node "worker-1"`,
			`absent: the record does not show node "worker-1"`},
		"cut off": {[]func(*tape){is(sec, reports.NodeEntry{Ready: true}), func(t *tape) {
			t.drop(func(e reports.Entry) bool { return e.Kind == reports.KindEnd })
		}}, `absent: the run did not get to the end of its phase "quiet"`, `absent: the run did not get to the end of its phase "quiet"`},
	} {
		t.Run(name, func(t *testing.T) {
			rec := soundRun()
			for _, change := range c.changes {
				change(rec)
			}
			for field, want := range map[string]string{"ready": c.ready, "schedulable": c.schedulable} {
				measure := `node("worker-1").` + field
				s := podKill(that("it", measure+" == "+measure))
				s.Spec.Cluster.Workers = 1
				require.NoError(t, judge.Check(s, s.Spec.Expect[0]))
				v := judge.Judge(s, &rec.rec)
				assert.Equal(t, want, v.Expect[0].Values[0].Value, field)
			}
		})
	}
}

func TestNodesAreNamedAsTheClusterHasThem(t *testing.T) {
	s := podKill()
	s.Spec.Cluster.Workers, s.Spec.Cluster.ControlPlanes = 2, 3
	assert.NoError(t, judge.Check(s, that("it", `node("worker-2").ready && node("control-plane-3").ready`)))
	assert.ErrorContains(t, judge.Check(s, that("it", `node("worker-3").ready`)),
		`there is no node "worker-3": there is control-plane-1, control-plane-2, control-plane-3, worker-1, worker-2`)
	assert.ErrorContains(t, judge.Check(s, that("it", `node("worker-1").redy`)), `"redy" is not in a node: it has ready, schedulable`)
}
