package run

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"squall/reports"
	"squall/workloads/sample"
	"squall/workloads/traffic"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// BenchmarkRecorderTenMillion takes ten million requests from the stream of a
// generator, counts them and writes them into a record, as a run does, and tells
// the most memory that the process has held. Run it alone, with -benchtime 1x.
func BenchmarkRecorderTenMillion(b *testing.B) {
	const n, rate = 10_000_000, 10_000
	dir := filepath.Join(b.TempDir(), "run")
	for b.Loop() {
		journal, err := reports.Create(dir, reports.Header{}, nil, nil)
		require.NoError(b, err)
		c := &conductor{journal: journal, recorder: newRecorder(newClock(), journal.Add, nil)}
		g := &generator{tally: *newTally()}
		g.load.Name, g.tally.latencies.load = "browse", "browse"
		out, in := io.Pipe()
		go func() { _ = in.CloseWithError(sayMany(in, n, rate)) }()
		summary, err := traffic.Read(out, func(r traffic.Result) { c.request(g, r) })
		require.NoError(b, err)
		require.EqualValues(b, n, summary.Sent)
		for _, entry := range g.tally.rest() {
			c.add(entry)
		}
		require.NoError(b, journal.Close())
		var used unix.Rusage
		require.NoError(b, unix.Getrusage(unix.RUSAGE_SELF, &used))
		b.ReportMetric(float64(used.Maxrss)/1024, "peak-MB")
		for name, unit := range map[string]string{reports.FileRequests: "bytes/request", reports.FileRecord: "journal-bytes/s"} {
			info, err := os.Stat(filepath.Join(dir, name))
			require.NoError(b, err)
			per := float64(n)
			if name == reports.FileRecord {
				per /= rate
			}
			b.ReportMetric(float64(info.Size())/per, unit)
		}
		require.NoError(b, os.RemoveAll(dir))
	}
}

// sayMany writes what a generator says of so many requests.
func sayMany(to io.Writer, n, rate int) error {
	out := bufio.NewWriter(to)
	if _, err := out.WriteString(sample.Magic); err != nil {
		return err
	}
	answers := []*sample.Answer{{Code: 200, Instance: "gateway-1", Version: "v1"}, {Code: 200, Instance: "gateway-2", Version: "v1"}, {Error: "connection refused"}}
	e := sample.NewEncoder("browse")
	for i := range n {
		due := 5*time.Second + time.Duration(i)*time.Second/time.Duration(rate)
		sent := due + time.Duration(40_000+i*7919%60_000)
		e.Add(sample.Sample{Seq: uint64(i), Due: due, Sent: sent, Done: sent + time.Duration(400_000+i*104_729%3_000_000), Answer: answers[i%100/49]})
		if i%500 == 499 {
			if _, err := out.Write(e.AppendFrame(nil)); err != nil {
				return err
			}
		}
	}
	text, err := json.Marshal(traffic.Summary{Name: "browse", Planned: uint64(n), Sent: uint64(n)})
	if err != nil {
		return err
	}
	if _, err := out.Write(sample.AppendFrame(e.AppendFrame(nil), sample.FrameSummary, text)); err != nil {
		return err
	}
	return out.Flush()
}
