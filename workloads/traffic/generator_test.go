package traffic

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// envServe makes the test binary a server, so that benchmarks can measure the
// generator against a process of its own.
const envServe = "SQUALL_TEST_SERVE"

func TestMain(m *testing.M) {
	if of := os.Getenv(envStarved); of != "" {
		if err := starved(of); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if os.Getenv(envServe) != "" {
		listener, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			panic(err)
		}
		fmt.Println(listener.Addr())
		panic(http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })))
	}
	os.Exit(m.Run())
}

// outcome is a whole run of the generator.
type outcome struct {
	results []Result
	summary Summary
	took    time.Duration
}

// generator is a generator that is running in the background.
type generator struct {
	in     *io.PipeWriter
	cancel context.CancelFunc
	end    func() outcome
}

// start runs a generator whose load began to be due just now.
func start(t *testing.T, spec Spec) generator {
	t.Helper()
	if spec.Base == 0 {
		spec.Base = Monotonic()
	}
	first, err := json.Marshal(spec)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	in, stdin := io.Pipe()
	stdout, out := io.Pipe()
	failed := make(chan error, 1)
	began := time.Now()
	go func() {
		err := Main(ctx, in, out)
		_ = out.CloseWithError(err)
		failed <- err
	}()
	var o outcome
	var readErr error
	var reading sync.WaitGroup
	reading.Go(func() {
		o.summary, readErr = Read(stdout, func(r Result) { o.results = append(o.results, r) })
	})
	_, err = stdin.Write(append(first, '\n'))
	require.NoError(t, err)
	return generator{in: stdin, cancel: cancel, end: func() outcome {
		t.Helper()
		reading.Wait()
		require.NoError(t, readErr)
		require.NoError(t, <-failed)
		o.took = time.Since(began)
		cancel()
		_ = stdin.Close()
		requireSound(t, spec, o)
		return o
	}}
}

// requireSound checks what holds for every run: the identity, each request
// once, each due exactly when it should be, nothing sent before it was due.
func requireSound(t *testing.T, spec Spec, o outcome) {
	t.Helper()
	require.Equal(t, o.summary.Planned, o.summary.Sent+o.summary.Skipped)
	require.Len(t, o.results, int(o.summary.Planned))
	times := spec.timetable()
	slices.SortFunc(o.results, func(a, b Result) int { return int(a.Seq) - int(b.Seq) })
	for i, r := range o.results {
		require.Equal(t, uint64(i), r.Seq)
		require.Equal(t, times.due(r.Seq), r.Due)
		if !r.Skipped {
			require.GreaterOrEqual(t, r.Sent, r.Due)
			require.GreaterOrEqual(t, r.Done, r.Sent)
			require.Equal(t, r.Code == 0, r.Error != "", "%+v", r)
		}
	}
}

// quantile is the latency, from due, that the share q of the results stayed
// below.
func quantile(results []Result, q float64) time.Duration {
	var latencies []time.Duration
	for _, r := range results {
		latencies = append(latencies, r.Done-r.Due)
	}
	slices.Sort(latencies)
	return latencies[int(q*float64(len(latencies)-1))]
}

// reasons counts the results by their error, or status.
func reasons(results []Result) map[string]int {
	count := map[string]int{}
	for _, r := range results {
		switch {
		case r.Skipped:
			count["skipped"]++
		case r.Error != "":
			count[r.Error]++
		default:
			count[fmt.Sprint(r.Code)]++
		}
	}
	return count
}
