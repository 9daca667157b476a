package traffic

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// BenchmarkHonestRate finds the highest rate that the generator holds with a
// send lag p99 below 10 ms and nothing skipped, against a server in a process of
// its own. Run it with -benchtime 1x.
func BenchmarkHonestRate(b *testing.B) {
	url := serveElsewhere(b)
	for b.Loop() {
		honest := 0.0
		for _, rate := range []float64{1000, 2000, 4000, 6000, 8000, 10000, 12000, 15000, 20000} {
			s := loadOnce(b, Spec{Name: "bench", URL: url, Rate: rate, Until: 2 * time.Second})
			b.Logf("%6.0f/s: skipped %d, send lag p50 %v p99 %v max %v, %v CPU per request",
				rate, s.Skipped, s.LagP50, s.LagP99, s.LagMax, s.CPU/time.Duration(max(1, s.Sent)))
			if s.Skipped > 0 || s.LagP99 >= 10*time.Millisecond {
				break
			}
			honest = rate
		}
		b.ReportMetric(honest, "honest-requests/s")
	}
}

// serveElsewhere starts this test binary as a server and returns its URL.
func serveElsewhere(b *testing.B) string {
	b.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	server := exec.CommandContext(ctx, os.Args[0])
	server.Env = append(os.Environ(), envServe+"=1")
	out, err := server.StdoutPipe()
	require.NoError(b, err)
	require.NoError(b, server.Start())
	b.Cleanup(func() {
		cancel()
		_ = server.Wait() // it was killed, which is an error
	})
	address, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(b, err)
	return "http://" + strings.TrimSpace(address)
}

// loadOnce runs a load and returns its summary.
func loadOnce(b *testing.B, spec Spec) Summary {
	b.Helper()
	spec.Base = Monotonic() + int64(50*time.Millisecond)
	first, err := json.Marshal(spec)
	require.NoError(b, err)
	var out bytes.Buffer
	// The input stays open: its end would end the load.
	in, keep, err := os.Pipe()
	require.NoError(b, err)
	_, err = keep.Write(append(first, '\n'))
	require.NoError(b, err)
	require.NoError(b, Main(b.Context(), in, &out))
	require.NoError(b, keep.Close())
	require.NoError(b, in.Close())
	summary, err := Read(&out, func(Result) {})
	require.NoError(b, err)
	return summary
}

// BenchmarkFiveThousand holds 5 000 requests a second for 4 s; for profiles. Run
// it with -benchtime 1x.
func BenchmarkFiveThousand(b *testing.B) {
	url := serveElsewhere(b)
	for b.Loop() {
		s := loadOnce(b, Spec{Name: "bench", URL: url, Rate: 5000, Until: 4 * time.Second})
		b.ReportMetric(float64(s.CPU.Microseconds())/float64(s.Sent), "cpu-µs/request")
		b.ReportMetric(float64(s.LagP50.Microseconds()), "lag-p50-µs")
		b.ReportMetric(float64(s.LagP99.Microseconds()), "lag-p99-µs")
	}
}
