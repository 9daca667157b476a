package traffic

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// prompt is a server that answers at once, in this process and without a network.
type prompt struct{}

func (prompt) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: 200, ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{"X-Instance": {"gateway-1"}}, Body: io.NopCloser(strings.NewReader("ok"))}, nil
}

// BenchmarkGeneratorTenMillion sends ten million requests, as fast as the highest
// rate says, all but the network, and tells the most memory that the process has
// held. Run it alone, with -benchtime 1x.
func BenchmarkGeneratorTenMillion(b *testing.B) {
	for b.Loop() {
		spec := Spec{Name: "bench", URL: "http://127.0.0.1", Rate: MaxRate, Until: 100 * time.Second, Base: Monotonic()}.withDefaults()
		t := newTransport(b.Context(), spec, newClock(spec.Base))
		t.base = prompt{}
		out, in := io.Pipe()
		sent := make(chan error, 1)
		go func() {
			err := t.send(context.WithoutCancel(b.Context()), newStream(spec.Name, in, func(error) {}))
			_ = in.CloseWithError(err)
			sent <- err
		}()
		summary, err := Read(out, func(Result) {})
		require.NoError(b, err)
		require.NoError(b, <-sent)
		require.EqualValues(b, 10_000_000, summary.Planned)
		b.ReportMetric(float64(summary.Sent), "sent")
		b.ReportMetric(float64(summary.Skipped), "skipped")
		b.ReportMetric(mostHeld(b), "peak-MB")
	}
}

// mostHeld is the most resident memory that the process has had, in MB.
func mostHeld(b *testing.B) float64 {
	b.Helper()
	var used unix.Rusage
	require.NoError(b, unix.Getrusage(unix.RUSAGE_SELF, &used))
	return float64(used.Maxrss) / 1024
}
