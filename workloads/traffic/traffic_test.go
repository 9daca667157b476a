package traffic

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"squall/workloads/schedule"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestConstantRate(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Instance", "gateway-1")
		w.Header().Set("X-Version", "v1")
		if r.Header.Get("X-Request-Id") == "browse-7" {
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(http.StatusFound)
		}
	}))
	defer server.Close()
	o := start(t, Spec{Name: "browse", URL: server.URL, Rate: 200, From: 100 * time.Millisecond, Until: time.Second}).end()
	assert.Equal(t, uint64(180), o.summary.Planned)
	assert.Equal(t, map[string]int{"200": 179, "302": 1}, reasons(o.results))
	assert.Equal(t, "gateway-1", o.results[0].Instance)
	assert.Equal(t, "v1", o.results[0].Version)
	assert.False(t, o.summary.Stopped)
	assert.Positive(t, o.summary.CPU)
	assert.GreaterOrEqual(t, o.took, 995*time.Millisecond)
	assert.Less(t, o.summary.LagP99, 200*time.Millisecond)
}

func TestLegsAreSentAsTheySay(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	const ms = time.Millisecond
	o := start(t, Spec{Name: "browse", URL: server.URL, From: 100 * ms, Until: 1100 * ms, Legs: []schedule.Leg{
		{Until: 200 * ms, From: 100_000, To: 100_000}, // 20
		{Until: 400 * ms}, // a pause
		{Until: 800 * ms, From: 100_000, To: 300_000},  // 80
		{Until: 1000 * ms, From: 300_000, To: 300_000}, // 60
	}}).end()
	assert.Equal(t, uint64(160), o.summary.Planned)
	assert.Equal(t, map[string]int{"200": 160}, reasons(o.results))
	assert.Equal(t, 290*ms, o.results[19].Due)
	assert.Equal(t, 500*ms, o.results[20].Due, "the pause is kept")
	assert.Equal(t, 900*ms, o.results[100].Due)
	assert.False(t, o.summary.Stopped)
	assert.Less(t, o.summary.LagP99, 200*ms)
}

func TestStopInAPause(t *testing.T) {
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer server.Close()
	g := start(t, Spec{Name: "browse", URL: server.URL, Until: time.Hour, Legs: []schedule.Leg{
		{Until: 100 * time.Millisecond, From: 100_000, To: 100_000}, {Until: 59 * time.Minute}, {Until: time.Hour, From: 1000, To: 1000},
	}})
	require.Eventually(t, func() bool { return asked.Load() == 10 }, 10*time.Second, 10*time.Millisecond, "all that are due before the pause are sent")
	_, _ = io.WriteString(g.in, "stop\n")
	o := g.end()
	assert.Less(t, o.took, 10*time.Second)
	assert.Equal(t, uint64(10), o.summary.Planned)
	assert.True(t, o.summary.Stopped)
}

func TestLatencyCountsFromDueThroughAFreeze(t *testing.T) {
	var gate sync.RWMutex
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		gate.RLock()
		defer gate.RUnlock()
	}))
	defer server.Close()
	g := start(t, Spec{Name: "browse", URL: server.URL, Rate: 500, Until: 2 * time.Second})
	time.Sleep(500 * time.Millisecond) // the freeze is the stimulus, its length the measure
	gate.Lock()
	time.Sleep(time.Second)
	gate.Unlock()
	o := g.end()
	assert.Equal(t, map[string]int{"200": 1000}, reasons(o.results))
	assert.InDelta(t, time.Second, quantile(o.results, 0.99), float64(150*time.Millisecond))
	assert.Less(t, quantile(o.results, 0.25), 100*time.Millisecond)
}

func TestLatencyContainsTheGeneratorsOwnDelay(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	late := 500 * time.Millisecond
	o := start(t, Spec{Name: "browse", URL: server.URL, Rate: 100, Base: Monotonic() - int64(late), Until: time.Second}).end()
	assert.Equal(t, map[string]int{"404": 100}, reasons(o.results))
	first := o.results[0]
	assert.Zero(t, first.Due)
	assert.GreaterOrEqual(t, first.Done-first.Due, late)
	assert.GreaterOrEqual(t, o.summary.LagMax, late)
}

func TestEarlyEnd(t *testing.T) {
	hanging := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	prompt := func(http.ResponseWriter, *http.Request) {}
	briefly := func(http.ResponseWriter, *http.Request) { time.Sleep(30 * time.Millisecond) }
	cases := []struct {
		name    string
		handler http.HandlerFunc
		rate    float64
		end     func(g generator)
		want    string
	}{
		{"input ends", prompt, 300, func(g generator) { _ = g.in.Close() }, "200"},
		{"input ends, target hangs", hanging, 300, func(g generator) { _ = g.in.Close() }, Interrupted},
		{"context ends, target hangs", hanging, 300, func(g generator) { g.cancel() }, Interrupted},
		{"stop", prompt, 300, func(g generator) { _, _ = io.WriteString(g.in, "stop\n") }, "200"},
		{"stop leaves what is in flight", briefly, 300, func(g generator) { _, _ = io.WriteString(g.in, "stop\n"); _ = g.in.Close() }, "200"},
		{"stop between rare requests", prompt, 0.5, func(g generator) { _, _ = io.WriteString(g.in, "stop\n") }, "200"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			server := httptest.NewServer(c.handler)
			defer server.Close()
			defer server.CloseClientConnections()
			g := start(t, Spec{Name: "browse", URL: server.URL, Rate: c.rate, Until: time.Hour})
			time.Sleep(300 * time.Millisecond)
			asked := time.Now()
			c.end(g)
			o := g.end()
			assert.Less(t, time.Since(asked), 100*time.Millisecond)
			assert.True(t, o.summary.Stopped)
			assert.Equal(t, map[string]int{c.want: int(o.summary.Planned)}, reasons(o.results))
			assert.Positive(t, o.summary.Planned)
		})
	}
}

func TestConnectionRefused(t *testing.T) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	o := start(t, Spec{Name: "browse", URL: "http://" + listener.Addr().String(), Rate: 100, Until: 300 * time.Millisecond}).end()
	assert.Equal(t, map[string]int{"connection refused": 30}, reasons(o.results))
}

func TestServerDiesMidway(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { time.Sleep(20 * time.Millisecond) }))
	g := start(t, Spec{Name: "browse", URL: server.URL, Rate: 300, Until: time.Second})
	time.Sleep(500 * time.Millisecond)
	require.NoError(t, server.Listener.Close())
	server.CloseClientConnections()
	o := g.end()
	count := reasons(o.results)
	assert.Greater(t, count["200"], 100)
	assert.Greater(t, count["connection refused"], 100)
	assert.Positive(t, count["connection closed"]+count["connection reset"], "what was in flight is lost, not repeated: %v", count)
	server.Close()
}

func TestBrokenConnectionIsNotRetried(t *testing.T) {
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		// The second request on a connection is the one net/http would repeat.
		if asked.Add(1)%2 == 0 {
			panic(http.ErrAbortHandler)
		}
	}))
	defer server.Close()
	o := start(t, Spec{Name: "browse", URL: server.URL, Rate: 50, Until: 400 * time.Millisecond}).end()
	assert.Equal(t, map[string]int{"200": 10, "connection closed": 10}, reasons(o.results))
	assert.Equal(t, int64(20), asked.Load(), "each request reached the server once")
}

func TestTimeoutAndLongAnswers(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/hang":
			<-r.Context().Done()
		case "/large":
			_, _ = w.Write(make([]byte, maxBody+1))
		case "/cut":
			w.Header().Set("Content-Length", "10")
			_, _ = io.WriteString(w, "half")
		}
	}))
	defer server.Close()
	for path, want := range map[string]string{"/hang": "timeout", "/large": errLarge.Error(), "/cut": "connection closed"} {
		o := start(t, Spec{Name: "browse", URL: server.URL + path, Rate: 50, Until: 100 * time.Millisecond, Timeout: 200 * time.Millisecond}).end()
		assert.Equal(t, map[string]int{want: 5}, reasons(o.results), path)
	}
}

func TestOverTheCapIsSkippedNotDelayed(t *testing.T) {
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer server.Close()
	g := start(t, Spec{Name: "browse", URL: server.URL, Rate: 200, Until: 500 * time.Millisecond, MaxInFlight: 10})
	time.Sleep(300 * time.Millisecond)
	close(release)
	o := g.end()
	count := reasons(o.results)
	assert.Equal(t, uint64(100), o.summary.Planned)
	assert.Greater(t, count["skipped"], 30)
	assert.Greater(t, count["200"], 10+20, "sending goes on once answers come")
	assert.Equal(t, 100, count["200"]+count["skipped"])
	assert.Less(t, o.summary.LagP99, 200*time.Millisecond)
}

func TestDueTimes(t *testing.T) {
	s := Spec{Rate: 3, From: time.Second, Until: 2 * time.Second}
	assert.Equal(t, uint64(3), s.timetable().planned())
	assert.Equal(t, time.Second+333333333, s.timetable().due(1))
	assert.Equal(t, 2*time.Second, s.timetable().due(3))
	s = Spec{Rate: 200, Until: 30 * time.Second}
	assert.Equal(t, uint64(6000), s.timetable().planned())
	assert.Equal(t, 5*time.Millisecond, s.timetable().due(1))
	s = Spec{Rate: 0.1, Until: time.Second}
	assert.Equal(t, uint64(1), s.timetable().planned())
	s = Spec{Rate: 7, Until: 1000000 * time.Hour}
	assert.Equal(t, 1000000*time.Hour, s.timetable().due(s.timetable().planned()))
}

func TestBadSpecs(t *testing.T) {
	cases := map[string]string{
		``:        "first line of input",
		`{"name"`: "first line of input",
		`{"x":1}`: "unknown field",
		`{"url":"http://x","rate":0.0001,"until":1}`:                                                              "has more than three decimals",
		`{"url":"http://x","rate":1,"until":1,"legs":[{"until":1,"from":1,"to":1}]}`:                              "rate 1 stands beside legs",
		`{"url":"http://x","until":2,"legs":[{"until":1,"from":1,"to":1}]}`:                                       "they end 1ns after from",
		`{"url":"http://x","until":2,"legs":[{"until":2,"from":-1,"to":1}]}`:                                      "the rate of leg 1 is not",
		`{"url":"ftp://x","rate":-1,"timeout":-1,"maxInFlight":-1,"nameserver":"x","method":"G T","name":"a\nb"}`: "",
	}
	for text, want := range cases {
		err := Main(t.Context(), bytes.NewReader([]byte(text+"\n")), io.Discard)
		require.Error(t, err, text)
		assert.Contains(t, err.Error(), want)
		if want == "" {
			for _, part := range []string{"url", "rate", "until", "timeout", "maxInFlight", "nameserver", "method", "name"} {
				assert.Contains(t, err.Error(), part)
			}
		}
	}
}
