package traffic

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"squall/workloads/sample"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestReadStream(t *testing.T) {
	frame := func(r Result) string {
		e := sample.NewEncoder("a")
		e.Add(r)
		return string(e.AppendFrame(nil))
	}
	results := []Result{{Due: 1, Sent: 2, Done: 3, Answer: &sample.Answer{Code: 200}}, {Seq: 1, Due: 1, Answer: &sample.Answer{Skipped: true}}}
	one, skipped := sample.Magic+frame(results[0]), frame(results[1])
	end := string(sample.AppendFrame(nil, sample.FrameSummary, []byte(`{"name":"a","planned":2,"sent":1,"skipped":1}`)))

	var got []Result
	summary, err := Read(strings.NewReader(one+skipped+end), func(r Result) { got = append(got, r) })
	require.NoError(t, err)
	assert.Equal(t, uint64(2), summary.Planned)
	assert.Equal(t, results, got)

	for _, text := range []string{"", one + skipped, one + skipped + end[:20]} {
		summary, err = Read(strings.NewReader(text), func(Result) {})
		require.ErrorIs(t, err, io.ErrUnexpectedEOF, "%q", text)
		assert.Equal(t, text != "", summary.Sent == 1, "what was counted until then")
	}
	_, err = Read(strings.NewReader(one+end), func(Result) {})
	require.ErrorContains(t, err, "its results are 1, 1, 0")
	_, err = Read(strings.NewReader("nonsense, and much of it\n"), func(Result) {})
	require.ErrorContains(t, err, "after 0 requests: samples begin with")
	_, err = Read(strings.NewReader(one+"x"+end[1:]), func(Result) {})
	require.ErrorContains(t, err, "after 1 requests: at byte ")
}

// TestResultsThatNobodyReadsEndTheLoad: they wait for a slow reader, but not in
// ever more memory.
func TestResultsThatNobodyReadsEndTheLoad(t *testing.T) {
	failed := make(chan error, 1)
	gone := make(chan struct{})
	s := newStream("a", blocked{gone}, func(err error) { failed <- err })
	answer := &sample.Answer{Code: 200}
	var err error
	n := 0
	for ; err == nil && n < 1<<30; n++ {
		due := time.Duration(n) * time.Millisecond
		err = s.put(Result{Seq: uint64(n), Due: due, Sent: due + time.Hour, Done: due + 2*time.Hour, Answer: answer})
	}
	require.ErrorContains(t, err, "more than 64 MB of them wait for a reader")
	require.Equal(t, err, <-failed)
	require.Greater(t, n, 1_000_000)
	require.Less(t, n, 8_000_000)
	close(gone)
	require.ErrorContains(t, s.close(), "wait for a reader")
}

// blocked is a reader's end that takes nothing until it is closed.
type blocked struct{ gone chan struct{} }

func (b blocked) Write([]byte) (int, error) {
	<-b.gone
	return 0, io.ErrClosedPipe
}

// stuck is a reader's end that takes nothing for a while.
type stuck struct{ until time.Time }

func (s stuck) Write(p []byte) (int, error) {
	time.Sleep(time.Until(s.until))
	return len(p), nil
}

func TestSlowReaderDoesNotDelaySending(t *testing.T) {
	var mu sync.Mutex
	var asked []time.Time
	target := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, time.Now())
	}))
	defer target.Close()
	began := time.Now()
	in, keep := io.Pipe()
	defer keep.Close()
	spec := `{"name":"a","url":"` + target.URL + `","rate":50,"until":300000000,"base":` + strconv.FormatInt(Monotonic(), 10) + "}\n"
	go func() { _, _ = io.WriteString(keep, spec) }()
	require.NoError(t, Main(t.Context(), in, stuck{began.Add(time.Second)}))
	require.Len(t, asked, 15)
	assert.Less(t, asked[14].Sub(began), 800*time.Millisecond)
}

// gone is a reader's end that has been closed.
type gone struct{}

func (gone) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

func TestReaderGoneEndsTheLoad(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	in, keep := io.Pipe()
	defer keep.Close()
	spec := `{"name":"a","url":"` + server.URL + `","rate":50,"until":3600000000000,"base":` + strconv.FormatInt(Monotonic(), 10) + "}\n"
	go func() { _, _ = io.WriteString(keep, spec) }()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	require.ErrorContains(t, Main(ctx, in, gone{}), "broken pipe")
	require.NoError(t, ctx.Err(), "it ended by itself")
}

// TestALateGeneratorKeepsFewRequestsOpen: requests that are all due at once do
// not each get a goroutine while nobody takes results.
func TestALateGeneratorKeepsFewRequestsOpen(t *testing.T) {
	spec := Spec{Name: "a", URL: "http://127.0.0.1", Rate: 20_000, Until: time.Second, Base: Monotonic() - int64(time.Minute), MaxInFlight: 50}.withDefaults()
	tr := newTransport(t.Context(), spec, newClock(spec.Base))
	tr.base = prompt{}
	before := runtime.NumGoroutine()
	p := newPacer(t.Context(), tr.times, tr.clock)
	hits := attack(tr, p)
	most := 0
	taken := uint64(0)
	for range hits {
		if taken++; taken < 5 {
			time.Sleep(50 * time.Millisecond) // the slow taker is the stimulus
		}
		most = max(most, runtime.NumGoroutine()-before)
	}
	require.EqualValues(t, 20_000, taken, "none is lost")
	require.EqualValues(t, 20_000, p.released)
	assert.Greater(t, most, maxUnseen/2, "they were late")
	assert.Less(t, most, 50+maxUnseen+10)
}
