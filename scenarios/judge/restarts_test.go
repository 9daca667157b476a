package judge_test

import (
	"testing"
	"time"

	"squall/reports"

	"github.com/stretchr/testify/assert"
)

func TestRestarts(t *testing.T) {
	ends := func(init, app int32) []reports.ContainerEntry {
		return []reports.ContainerEntry{{Name: "setup", Init: true, Restarts: init}, {Name: "shop", Restarts: app}}
	}
	counted := func(at time.Duration, uid string, n int32) func(*tape) {
		return func(t *tape) { t.pod(at, uid, reports.PodEntry{Ready: true, Restarts: n}) }
	}
	all := func(changes ...func(*tape)) func(*tape) {
		return func(t *tape) {
			for _, change := range changes {
				change(t)
			}
		}
	}
	for name, c := range map[string]struct {
		change func(*tape)
		want   string
	}{
		"none":                          {all(), "0"},
		"two":                           {counted(20*sec, "b", 2), "2"},
		"of several pods":               {all(counted(20*sec, "b", 2), counted(21*sec, "c", 1)), "3"},
		"before warmup":                 {counted(4*sec, "b", 2), "0"},
		"at the first moment of warmup": {counted(warmupAt, "b", 2), "0"},
		"before warmup and after":       {all(counted(4*sec, "b", 2), counted(20*sec, "b", 5)), "3"},
		"in quiet":                      {counted(downAt, "b", 1), "1"},
		"while it is taken down":        {counted(downAt+1, "b", 1), "0"},
		"of a pod that came later":      {counted(20*sec, "e", 1), "1"},
		"of a pod that has gone":        {all(counted(20*sec, "b", 1), func(t *tape) { t.pod(21*sec, "b", reports.PodEntry{Restarts: 1, Deleted: true}) }), "1"},
		"a count that was lost":         {all(counted(20*sec, "b", 2), counted(21*sec, "b", 0)), "2"},
		"with its init containers":      {func(t *tape) { t.pod(20*sec, "b", reports.PodEntry{Restarts: 1, Containers: ends(2, 1)}) }, "3"},
		"of another workload": {func(t *tape) {
			t.add(20*sec, reports.Entry{Kind: reports.KindPod, Pod: &reports.PodEntry{UID: "x", Role: "gateway", Restarts: 4}})
		}, "0"},
		"the workload's state was not shown": {func(t *tape) { t.workloadsAfter(0) }, `absent: the record does not show the state of workload "catalog"`},
		"the run did not get far": {func(t *tape) {
			t.drop(func(e reports.Entry) bool { return e.Phase != nil && e.Phase.Name == "warmup" })
		}, `absent: the run did not get to its phase "warmup"`},
		"the record is cut off": {func(t *tape) { t.drop(func(e reports.Entry) bool { return e.Kind == reports.KindEnd }) },
			`absent: the run did not get to the end of its phase "quiet"`},
	} {
		t.Run(name, func(t *testing.T) {
			rec := soundRun()
			c.change(rec)
			assert.Equal(t, c.want, value(t, rec, `workload("catalog").restarts`))
		})
	}
}
