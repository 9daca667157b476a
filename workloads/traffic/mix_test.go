package traffic

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"squall/workloads/draw"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// seen is what a server saw of a request.
type seen struct {
	method, path, host, body string
	length                   int64
	header                   http.Header
}

// watch serves and keeps what it saw, by request id.
func watch(t *testing.T) (*httptest.Server, *sync.Map) {
	all := &sync.Map{}
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		all.Store(r.Header.Get("X-Request-Id"), seen{r.Method, r.URL.Path, r.Host, string(body), r.ContentLength, r.Header})
	}))
	t.Cleanup(server.Close)
	return server, all
}

// saw is what was seen of one request.
func saw(t *testing.T, all *sync.Map, id string) seen {
	t.Helper()
	one, ok := all.Load(id)
	require.True(t, ok, "the server never saw %s", id)
	return one.(seen)
}

func TestHeadersAndBodyAreSent(t *testing.T) {
	server, all := watch(t)
	o := start(t, Spec{
		Name: "buy", URL: server.URL + "/cart", Method: "POST", Rate: 100, Until: 200 * time.Millisecond, Seed: 7, Scenario: "shop",
		Header: map[string]string{"content-type": "application/json", "X-User": "u${int(1,9)}"},
		Body:   `{"n": ${seq}, "key": "${hex(8)}"}`,
	}).end()
	require.Equal(t, map[string]int{"200": 20}, reasons(o.results))
	assert.Empty(t, o.results[0].Target, "there is one target")
	got := saw(t, all, "buy-13")
	assert.Equal(t, []string{"POST", "/cart", strings.TrimPrefix(server.URL, "http://")}, []string{got.method, got.path, got.host})
	assert.Equal(t, "application/json", got.header.Get("Content-Type"))
	assert.Equal(t, `{"n": 13, "key": "bb48e663"}`, got.body, "drawn from seed and number, on every host")
	assert.Equal(t, "u6", got.header.Get("X-User"))
	assert.EqualValues(t, len(got.body), got.length)
	assert.NotContains(t, got.header, "X-Vegeta-Seq")
	assert.NotEqual(t, got.body[10:], saw(t, all, "buy-14").body[10:])
}

func TestRequestsGoToTheTargetsThatAreDrawn(t *testing.T) {
	server, all := watch(t)
	other, alsoAll := watch(t)
	o := start(t, Spec{Name: "mix", Rate: 400, Until: 500 * time.Millisecond, Seed: 3, Scenario: "shop", Targets: []Target{
		{Name: "list", Weight: 7, URL: server.URL + "/list"},
		{Name: "buy", Weight: 2, URL: server.URL + "/buy", Method: "POST", Body: "one", Header: map[string]string{"X-A": "b"}},
		{Name: "other", Weight: 1, URL: other.URL + "/other", Method: "DELETE"},
	}}).end()
	require.Equal(t, map[string]int{"200": 200}, reasons(o.results))
	from, counts := draw.For(3, "shop", "mix", "target"), map[string]int{}
	for _, r := range o.results {
		want := []string{"list", "buy", "other"}[from.Pick(r.Seq, []int{7, 2, 1})]
		assert.Equal(t, want, r.Target)
		counts[want]++
		where, id := all, fmt.Sprintf("mix-%d", r.Seq)
		if want == "other" {
			where = alsoAll
		}
		got := saw(t, where, id)
		assert.Equal(t, "/"+want, got.path)
		assert.Equal(t, map[string]string{"list": "GET", "buy": "POST", "other": "DELETE"}[want], got.method)
		assert.Equal(t, want == "buy", got.body == "one")
		assert.Equal(t, want == "buy", got.header.Get("X-A") == "b")
	}
	assert.Len(t, counts, 3)
}

// A body and an idempotency key must not bring net/http's hidden retries back.
func TestBrokenConnectionIsNotRetriedWithHeadersAndBody(t *testing.T) {
	for name, spec := range map[string]Spec{
		"a body":                    {Method: "POST", Body: "x"},
		"a key":                     {Method: "POST", Header: map[string]string{"Idempotency-Key": "1"}},
		"a key and a body":          {Method: "PUT", Body: "x", Header: map[string]string{"Idempotency-Key": "1"}},
		"a delete without a body":   {Method: "DELETE", Header: map[string]string{"X-Idempotency-Key": "1"}},
		"a get with another header": {Header: map[string]string{"X-A": "1"}},
	} {
		t.Run(name, func(t *testing.T) {
			var asked atomic.Int64
			server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				if asked.Add(1)%2 == 0 {
					panic(http.ErrAbortHandler)
				}
			}))
			defer server.Close()
			spec.Name, spec.URL, spec.Rate, spec.Until = "browse", server.URL, 50, 400*time.Millisecond
			o := start(t, spec).end()
			assert.Equal(t, map[string]int{"200": 10, "connection closed": 10}, reasons(o.results))
			assert.Equal(t, int64(20), asked.Load(), "each request reached the server once")
		})
	}
}

func TestBadTargets(t *testing.T) {
	for want, spec := range map[string]Spec{
		"stands beside targets":         {URL: "http://x", Targets: []Target{{Weight: 1, URL: "http://x"}}},
		`target "a" has the weight 0`:   {Targets: []Target{{Name: "a", URL: "http://x"}}},
		`url "x" is not an http URL`:    {Targets: []Target{{Name: "a", URL: "x", Weight: 1}}},
		"body: there is no placeholder": {URL: "http://x", Body: "${now}"},
		"header X-A: a placeholder has": {URL: "http://x", Header: map[string]string{"x-a": "${seq"}},
	} {
		_, err := newMix(spec)
		require.ErrorContains(t, err, want)
	}
}

func TestValuesOfAnAnswersHeadersAreTold(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Request-Id") == "browse-3" {
			return
		}
		w.Header().Set("X-Version", "v2")
		w.Header().Add("X-Odd", `a\b"é`+"\t"+strings.Repeat("x", 100))
	}))
	defer server.Close()
	o := start(t, Spec{
		Name: "browse", URL: server.URL, Rate: 100, Until: 100 * time.Millisecond,
		By: map[string]string{"version": "x-version", "odd": "X-Odd", "none": "X-None"},
	}).end()
	require.Len(t, o.results, 10)
	assert.Equal(t, map[string]string{"version": "v2", "odd": `a\x5cb"\xc3\xa9\x09` + strings.Repeat("x", 64-7)}, o.results[0].By)
	assert.Nil(t, o.results[3].By)
}
