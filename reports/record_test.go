package reports_test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"squall/reports"
	"squall/workloads/sample"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func header() reports.Header {
	return reports.Header{
		Squall: "v0.1.0", Kubernetes: "v1.36.3", Provider: "embedded", Timers: "stock",
		Scenario: "pod-kill", Seed: 1<<64 - 1, Started: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC),
		Host: reports.Host{OS: "linux", CPUs: 2, MemoryBytes: 1 << 33},
	}
}

// entries holds one of each kind.
func entries() []reports.Entry {
	return []reports.Entry{
		{At: 1, Kind: reports.KindPhase, Phase: &reports.PhaseEntry{Name: "up"}},
		{At: 2, Kind: reports.KindRequest, Request: &reports.RequestEntry{
			Load: "browse", Seq: 3, Sent: 4, Done: 5, Code: 200, Instance: "a", Version: "v1", Target: "list", By: map[string]string{"version": "v1", "pod": "a}"}}},
		{At: 2, Kind: reports.KindRequest, Request: &reports.RequestEntry{
			Load: "browse", Seq: 4, Error: "dial:\n\x1b[31mrefused \"x\" ü", Skipped: true}},
		{At: 2, Kind: reports.KindRequest, Request: &reports.RequestEntry{Load: "browse", Seq: 6, Code: 200, By: map[string]string{"version": "v1"}}},
		{At: 2, Kind: reports.KindRequest, Request: &reports.RequestEntry{Load: "browse", Seq: 7, Code: 200, Target: "buy", By: map[string]string{"pod": "a", "version": "v2"}, Class: sample.Failed}},
		{At: 2, Kind: reports.KindRequest, Request: &reports.RequestEntry{Load: "browse", Seq: 9, Code: 200, Class: sample.Degraded}},
		{At: 2, Kind: reports.KindRequest, Request: &reports.RequestEntry{Load: "browse", Seq: 10, Code: 200, Class: sample.Full}},
		{At: 2, Kind: reports.KindRequest, Request: &reports.RequestEntry{Load: "browse", Seq: 8, Code: 200, By: map[string]string{"version": "v1"}}},
		{At: 2, Kind: reports.KindRequest, Request: &reports.RequestEntry{Load: `back\slash`, Seq: 5, Version: "<v&1>", By: map[string]string{"x": "1"}}},
		{At: 3, Kind: reports.KindLoad, Load: &reports.LoadEntry{Load: "browse", Planned: 2, Sent: 1, Skipped: 1, Complete: true}},
		{At: 3, Kind: reports.KindLatencies, Latencies: &reports.LatenciesEntry{Load: "browse", Good: true, Class: sample.Full, Count: 1, Histogram: "AAA+/="}},
		{At: 4, Kind: reports.KindEvent, Event: &reports.EventEntry{Name: "kill", Stage: reports.StageInjected,
			Victims: []reports.Victim{{Role: "catalog", Pod: "shop/catalog-a", UID: "u", Node: "worker-1"}}}},
		{At: 5, Kind: reports.KindPod, Pod: &reports.PodEntry{Name: "shop/catalog-a", UID: "u", Terminating: true,
			Containers: []reports.ContainerEntry{{Name: "shop", Restarts: 2, Ended: &reports.ContainerEnd{Code: 137, Signal: 9, Reason: "OOMKilled"}}}}},
		{At: 6, Kind: reports.KindWorkload, Workload: &reports.WorkloadEntry{Name: "catalog", Desired: 3, Ready: 2, Pods: 3}},
		{At: 7, Kind: reports.KindEndpoint, Endpoint: &reports.EndpointEntry{Service: "shop/catalog", Ready: []string{"a"}}},
		{At: 7, Kind: reports.KindNode, Node: &reports.NodeEntry{Name: "worker-1", Ready: true, Status: "True", Taints: []string{"a=b:NoSchedule"}}},
		{At: 7, Kind: reports.KindNotice, Notice: &reports.NoticeEntry{Object: "Pod/a", Reason: "BackOff", Message: "<\x1b[31m>\n", Count: 2}},
		{At: 7, Kind: reports.KindGenerator, Generator: &reports.GeneratorEntry{Load: "browse", Pauses: []reports.Pause{{At: 6, Took: 1}}}},
		{At: 7, Kind: reports.KindLog, Log: &reports.LogEntry{Pod: "shop/a", Container: "shop", Previous: true, File: "logs/a/shop.previous.log", Bytes: 7}},
		{At: 8, Kind: reports.KindTrouble, Trouble: &reports.TroubleEntry{Class: reports.TroubleGenerator, What: "it died"}},
		{At: 9, Kind: reports.KindEnd, End: &reports.EndEntry{CPUSeconds: 1.5}},
	}
}

// lines are the entries that are lines of the journal: all but requests.
func lines() []reports.Entry {
	return slices.DeleteFunc(entries(), func(e reports.Entry) bool { return e.Kind == reports.KindRequest })
}

// requests are those of a record, as entries.
func requests(rec *reports.Record) (all []reports.Entry) {
	rec.EachRequest(func(load string, one sample.Sample) {
		all = append(all, reports.Entry{At: one.Due, Kind: reports.KindRequest, Request: &reports.RequestEntry{
			Load: load, Seq: one.Seq, Sent: one.Sent, Done: one.Done, Code: one.Code, Error: one.Error, Skipped: one.Skipped,
			Instance: one.Instance, Version: one.Version, Target: one.Target, By: one.By, Class: one.Class,
		}})
	})
	return all
}

// onlyRequests are the requests among entries.
func onlyRequests(all []reports.Entry) (some []reports.Entry) {
	for _, e := range all {
		if e.Kind == reports.KindRequest {
			some = append(some, e)
		}
	}
	return some
}

// old makes a record as it was when requests were lines of the journal, and
// returns its folder.
func old(t testing.TB, all []reports.Entry) string {
	t.Helper()
	dir := write(t, nil)
	h := header()
	h.Format = "squall.dev/record/v1"
	text, err := json.Marshal(h)
	require.NoError(t, err)
	for _, e := range all {
		line, err := json.Marshal(e)
		require.NoError(t, err)
		text = append(append(text, '\n'), line...)
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, reports.FileRecord), append(text, '\n'), 0o644))
	require.NoError(t, os.Remove(filepath.Join(dir, reports.FileRequests)))
	return dir
}

// write makes a record and returns its folder.
func write(t testing.TB, all []reports.Entry) string {
	dir := filepath.Join(t.TempDir(), "runs", "one")
	w, err := reports.Create(dir, header(), []byte("a: scenario\n"), []byte("{}\n"))
	require.NoError(t, err)
	for _, e := range all {
		w.Add(e)
	}
	require.NoError(t, w.Close())
	return dir
}

func TestWhatIsWrittenIsReadBack(t *testing.T) {
	rec, err := reports.Open(write(t, entries()))
	require.NoError(t, err)
	want := header()
	want.Format = reports.Format
	assert.Equal(t, want, rec.Header)
	assert.Equal(t, lines(), rec.Entries)
	assert.Equal(t, onlyRequests(entries()), requests(rec))
	assert.False(t, rec.Truncated)
}

func TestAnOldRecordIsRead(t *testing.T) {
	rec, err := reports.Open(old(t, entries()))
	require.NoError(t, err)
	assert.Equal(t, entries(), rec.Entries)
	assert.Equal(t, onlyRequests(entries()), requests(rec))
	assert.False(t, rec.Truncated)
}

func TestARecordIsReadableByAll(t *testing.T) {
	dir := write(t, nil)
	require.NoError(t, reports.WriteVerdict(dir, reports.Verdict{Outcome: reports.Pass}))
	all, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, all, 5)
	for _, one := range all {
		info, err := one.Info()
		require.NoError(t, err)
		assert.Equal(t, fs.FileMode(0o644), info.Mode(), one.Name())
	}
	info, err := os.Stat(dir)
	require.NoError(t, err)
	assert.Equal(t, fs.FileMode(0o755), info.Mode().Perm())
	scenario, err := os.ReadFile(filepath.Join(dir, reports.FileScenario))
	require.NoError(t, err)
	assert.Equal(t, "a: scenario\n", string(scenario))
}

func TestARecordIsNeverOverwritten(t *testing.T) {
	dir := write(t, entries())
	_, err := reports.Create(dir, header(), nil, nil)
	assert.ErrorIs(t, err, fs.ErrExist)
	assert.ErrorContains(t, err, dir+" holds a record already")
	rec, err := reports.Open(dir)
	require.NoError(t, err)
	assert.Len(t, rec.Entries, len(lines()))
	assert.Len(t, requests(rec), len(entries())-len(lines()))
}

func TestManyMayAddAtOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "r")
	w, err := reports.Create(dir, header(), nil, nil)
	require.NoError(t, err)
	var adders sync.WaitGroup
	for n := range 8 {
		adders.Go(func() {
			for i := range 500 {
				w.Add(reports.Entry{Kind: reports.KindRequest, Request: &reports.RequestEntry{Load: fmt.Sprint(n), Seq: uint64(i)}})
			}
		})
	}
	adders.Wait()
	require.NoError(t, w.Close())
	require.NoError(t, w.Close(), "twice")
	rec, err := reports.Open(dir)
	require.NoError(t, err)
	assert.Len(t, requests(rec), 4000)
}

func TestEntriesReachTheDiskWithinASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "r")
		w, err := reports.Create(dir, header(), nil, nil)
		require.NoError(t, err)
		defer w.Close()
		w.Add(entries()[0])
		w.Add(entries()[1])
		w.Request("browse", sample.Sample{Seq: 9, Answer: &sample.Answer{Code: 200}})
		time.Sleep(1100 * time.Millisecond)
		synctest.Wait()
		raw, err := os.ReadFile(filepath.Join(dir, reports.FileRecord))
		require.NoError(t, err)
		assert.Equal(t, 2, strings.Count(string(raw), "\n"))
		rec, err := reports.Open(dir)
		require.NoError(t, err)
		assert.Len(t, requests(rec), 2)
	})
}

func TestTheFirstErrorOfAWriterIsKept(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "r")
	w, err := reports.Create(dir, header(), nil, nil)
	require.NoError(t, err)
	w.Add(reports.Entry{Kind: reports.KindPod, Phase: &reports.PhaseEntry{}})
	w.Add(entries()[0])
	err = w.Close()
	assert.ErrorContains(t, err, `an entry of kind "pod" must hold its "pod" and nothing else`)
	assert.Equal(t, err, w.Close())
}

func TestACutOffLastLineIsNoError(t *testing.T) {
	dir := write(t, entries())
	path := filepath.Join(dir, reports.FileRecord)
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	first := strings.IndexByte(string(whole), '\n') + 1
	for cut := first; cut < len(whole); cut++ {
		require.NoError(t, os.WriteFile(path, whole[:cut], 0o644))
		rec, err := reports.Open(dir)
		require.NoError(t, err, "cut at %d", cut)
		complete := whole[cut-1] == '\n'
		assert.Equal(t, !complete, rec.Truncated, "cut at %d", cut)
		least := strings.Count(string(whole[:cut]), "\n") - 1
		require.GreaterOrEqual(t, len(rec.Entries), least)
		assert.Equal(t, lines()[:len(rec.Entries)], append([]reports.Entry{}, rec.Entries...))
	}
}

func TestCutOffRequestsAreNoError(t *testing.T) {
	dir := write(t, entries())
	path := filepath.Join(dir, reports.FileRequests)
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	want := onlyRequests(entries())
	seen := map[int]bool{}
	for cut := 1; cut < len(whole); cut++ {
		require.NoError(t, os.WriteFile(path, whole[:cut], 0o644))
		rec, err := reports.Open(dir)
		require.NoError(t, err, "cut at %d", cut)
		got := requests(rec)
		seen[len(got)] = true
		assert.Equal(t, want[:len(got)], append([]reports.Entry{}, got...))
		if cut > len(sample.Magic) && len(got) == 0 {
			assert.True(t, rec.Truncated, "cut at %d", cut)
		}
	}
	assert.Len(t, seen, 2, "none, and those of the first load")
	whole[len(whole)-1] ^= 1
	require.NoError(t, os.WriteFile(path, whole, 0o644))
	_, err = reports.Open(dir)
	assert.ErrorContains(t, err, "requests.bin: at byte ")
	assert.ErrorContains(t, err, "does not have its checksum")
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	replaceLine := func(n int, with string) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			path := filepath.Join(dir, reports.FileRecord)
			raw, err := os.ReadFile(path)
			require.NoError(t, err)
			lines := strings.SplitAfter(string(raw), "\n")
			lines[n-1] = with
			require.NoError(t, os.WriteFile(path, []byte(strings.Join(lines, "")), 0o644))
		}
	}
	remove := func(name string) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) { require.NoError(t, os.RemoveAll(filepath.Join(dir, name))) }
	}
	for name, c := range map[string]struct {
		spoil func(t *testing.T, dir string)
		want  string
	}{
		"garbage":          {replaceLine(4, "garbage\n"), "record.jsonl:4: the line is no entry of a record: invalid character 'g'"},
		"half a request":   {replaceLine(3, `{"at":2,"kind":"request","request":{"load":"br`+"\n"), "record.jsonl:3: the line is no entry"},
		"a request's type": {replaceLine(3, `{"at":2,"kind":"request","request":{"load":7}}`+"\n"), "record.jsonl:3: the line is no entry"},
		"a negative number": {replaceLine(3, `{"at":2,"kind":"request","request":{"load":"b","seq":-1,"sent":0,"done":0,"code":0}}`+"\n"),
			"record.jsonl:3: the line is no entry"},
		"007": {replaceLine(3, `{"at":2,"kind":"request","request":{"load":"b","seq":007,"sent":0,"done":0,"code":0}}`+"\n"),
			"record.jsonl:3: the line is no entry"},
		"two on one line": {replaceLine(3, `{"at":2,"kind":"request","request":{"load":"b","seq":1,"sent":0,"done":0,"code":0}}{}`+"\n"),
			"record.jsonl:3: the line is no entry"},
		"zeros":           {replaceLine(4, "\x00\x00\x00\n"), "record.jsonl:4: the line is no entry"},
		"an empty line":   {replaceLine(4, "\n"), "record.jsonl:4: the line is no entry"},
		"an unknown kind": {replaceLine(4, `{"at":1,"kind":"smell"}`+"\n"), `record.jsonl:4: an entry of kind "smell" must hold its "smell"`},
		"the wrong part":  {replaceLine(4, `{"at":1,"kind":"pod","end":{}}`+"\n"), `record.jsonl:4: an entry of kind "pod"`},
		"a huge line":     {replaceLine(4, strings.Repeat("x", 5<<20)+"\n"), "record.jsonl:4: the line is longer than"},
		"no header":       {replaceLine(1, "x\n"), "record.jsonl:1: the first line is no header"},
		"another format":  {replaceLine(1, `{"format":"squall.dev/record/v9"}`+"\n"), `record.jsonl:1: the record's format is "squall.dev/record/v9", this version of squall reads "squall.dev/record/v1" and "squall.dev/record/v2" only`},
		"empty": {func(t *testing.T, dir string) {
			require.NoError(t, os.WriteFile(filepath.Join(dir, reports.FileRecord), nil, 0o644))
		}, "record.jsonl:1: the first line is not complete"},
		"half a header": {func(t *testing.T, dir string) {
			require.NoError(t, os.WriteFile(filepath.Join(dir, reports.FileRecord), []byte(`{"format":"squ`), 0o644))
		}, "record.jsonl:1: the first line is not complete"},
		"no journal":  {remove(reports.FileRecord), "is not a complete record: it has no record.jsonl"},
		"no requests": {remove(reports.FileRequests), "is not a complete record: it has no requests.bin"},
		"no scenario": {remove(reports.FileScenario), "is not a complete record: it has no scenario.yaml"},
		"no plan":     {remove(reports.FilePlan), "is not a complete record: it has no plan.json"},
		"nothing":     {remove("."), "there is no record"},
		"a folder": {func(t *testing.T, dir string) {
			remove(reports.FilePlan)(t, dir)
			require.NoError(t, os.Mkdir(filepath.Join(dir, reports.FilePlan), 0o755))
		}, "is not a record: plan.json is not a file"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := write(t, entries())
			if name != "no requests" { // what was before is read in more ways
				dir = old(t, entries())
			}
			if name == "nothing" {
				dir = filepath.Join(dir, "absent")
			} else {
				c.spoil(t, dir)
			}
			_, err := reports.Open(dir)
			assert.ErrorContains(t, err, c.want)
		})
	}
}

func TestALongLineIsRead(t *testing.T) {
	e := reports.Entry{Kind: reports.KindTrouble, Trouble: &reports.TroubleEntry{Class: "environment", What: strings.Repeat("long ", 1<<16)}}
	rec, err := reports.Open(write(t, []reports.Entry{e, entries()[0]}))
	require.NoError(t, err)
	assert.Equal(t, []reports.Entry{e, entries()[0]}, rec.Entries)
}

func TestTextsAreKeptOnce(t *testing.T) {
	var all []reports.Entry
	for i := range 20000 {
		all = append(all, reports.Entry{At: time.Duration(i), Kind: reports.KindRequest, Request: &reports.RequestEntry{
			Load: "browse", Seq: uint64(i), Code: 200, Instance: "catalog-6f9c7c8d5-abcde", Version: "v1",
		}})
	}
	dir := old(t, all)
	var rec *reports.Record
	allocations := testing.AllocsPerRun(1, func() {
		var err error
		rec, err = reports.Open(dir)
		require.NoError(t, err)
	})
	assert.Equal(t, all, rec.Entries)
	assert.Less(t, allocations/20000, 0.1, "allocations a request")
}

func TestVerdictFile(t *testing.T) {
	dir := t.TempDir()
	_, err := reports.ReadVerdict(dir)
	assert.ErrorIs(t, err, fs.ErrNotExist)
	never := reports.Never
	v := reports.Verdict{Outcome: reports.Fail, Expect: []reports.Finding{{Name: "x", That: "a <= b"}}, Events: []reports.EventMeasure{{Healed: &never}}}
	require.NoError(t, reports.WriteVerdict(dir, reports.Verdict{Outcome: reports.Pass}))
	require.NoError(t, reports.WriteVerdict(dir, v))
	back, err := reports.ReadVerdict(dir)
	require.NoError(t, err)
	assert.Equal(t, v, back)
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, left, 1, "no temporary file")

	require.NoError(t, os.WriteFile(filepath.Join(dir, reports.FileVerdict), []byte("{}"), 0o644))
	_, err = reports.ReadVerdict(dir)
	assert.ErrorContains(t, err, `is no verdict: its outcome is ""`)
	assert.Error(t, reports.WriteVerdict(filepath.Join(dir, "absent"), v))
}

func BenchmarkOpen(b *testing.B) {
	var all []reports.Entry
	for i := range 100_000 {
		all = append(all, reports.Entry{At: time.Duration(i) * 1e6, Kind: reports.KindRequest, Request: &reports.RequestEntry{
			Load: "browse", Seq: uint64(i), Sent: time.Duration(i) * 1e6, Done: time.Duration(i+5) * 1e6, Code: 200,
			Instance: "catalog-6f9c7c8d5-abcde", Version: "v1",
		}})
	}
	for name, dir := range map[string]string{"now": write(b, all), "old": old(b, all)} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, err := reports.Open(dir)
				require.NoError(b, err)
			}
		})
	}
}
