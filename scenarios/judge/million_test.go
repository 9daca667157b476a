package judge_test

import (
	"fmt"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"testing"
	"time"

	"squall/reports"
	"squall/scenarios"
	"squall/scenarios/judge"
	"squall/workloads/sample"

	"github.com/stretchr/testify/require"
)

// BenchmarkJudgeMillion opens and judges a record of a million requests and ten
// thousand other entries, by expectations of which some are false, so that the
// moment at which they broke is looked for. It tells the most memory that the
// process has held meanwhile, garbage included.
func BenchmarkJudgeMillion(b *testing.B) {
	dir := filepath.Join(b.TempDir(), "run")
	writeMillion(b, dir, 1_000_000, 10_000)
	s := podKill(append(example(),
		that("slow", `run.p90 <= duration("5ms")`), that("lost", `fault.lost <= 100`),
		that("recovered", `event("kill").recovery < fault.p99 || fault.worst(duration("1s")) > 0.5`))...)
	s.Spec.Load[0].Rate = scenarios.Pace{Rate: 25_000}
	b.ReportAllocs()
	runtime.GC()
	debug.FreeOSMemory()
	most := watchMemory()
	for b.Loop() {
		rec, err := reports.Open(dir)
		require.NoError(b, err)
		v := judge.Judge(s, rec)
		require.Equal(b, reports.Fail, v.Outcome, "%v", v.Reasons)
	}
	b.ReportMetric(float64(most())/(1<<20), "peak-MB")
}

// writeMillion writes a sound record with so many requests, of which those of
// some seconds are bad, and so many other entries.
func writeMillion(tb testing.TB, dir string, requests, others int) {
	tb.Helper()
	t := soundRun()
	t.drop(func(e reports.Entry) bool { return e.Request != nil || e.Load != nil })
	t.rec.Header.Format = reports.Format
	w, err := reports.Create(dir, t.rec.Header, []byte("scenario"), []byte("plan"))
	require.NoError(tb, err)
	var shared sample.Shared
	span := quietAt - warmupAt
	for i := range requests {
		due := warmupAt + time.Duration(i)*span/time.Duration(requests)
		a := sample.Answer{Code: 200, Instance: fmt.Sprintf("gateway-%d", i%3), Version: "v1", By: map[string]string{"version": fmt.Sprintf("v%d", i%2)}}
		took := time.Duration(1+i*7919%9973) * time.Microsecond
		if due >= killAt && due < killAt+4*sec && i%3 == 0 {
			a, took = sample.Answer{Error: "connection refused"}, took/10
		}
		w.Request("browse", sample.Sample{Seq: uint64(i), Due: due, Sent: due + 50*time.Microsecond, Done: due + took, Answer: shared.Of(a)})
	}
	n := uint64(requests)
	t.add(quietAt, reports.Entry{Kind: reports.KindLoad, Load: &reports.LoadEntry{Load: "browse", Planned: n, Sent: n, Complete: true}})
	for i := range others / 4 {
		at := killAt + 5*sec + time.Duration(i)*time.Millisecond
		uid := fmt.Sprintf("other-%d", i%50)
		t.pod(at, uid, reports.PodEntry{Ready: i%2 == 0, Phase: "Running"})
		t.ready(at, 3)
		t.endpoints(at, "shop/catalog", "shop/catalog-b", "shop/catalog-"+uid)
		t.add(at, reports.Entry{Kind: reports.KindNode, Node: &reports.NodeEntry{Name: "worker-1", Ready: true, Status: "True"}})
	}
	for _, e := range t.rec.Entries {
		w.Add(e)
	}
	require.NoError(tb, w.Close())
}

// watchMemory looks at what the process holds of the system's memory until most
// is called, which tells the most of it.
func watchMemory() (most func() uint64) {
	held := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	var peak uint64
	look := func() {
		metrics.Read(held)
		peak = max(peak, held[0].Value.Uint64()-held[1].Value.Uint64())
	}
	stop := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				look()
			}
		}
	})
	return func() uint64 {
		close(stop)
		watching.Wait()
		look()
		return peak
	}
}
