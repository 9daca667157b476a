package traffic

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"squall/workloads/sample"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// answering answers by the path: with a header, with a body, late in a body, with
// a status, or not to its end.
func answering(t *testing.T) string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/header":
			w.Header().Add("X-Degraded", "no")
			w.Header().Add("X-Degraded", "true")
		case "/other":
			w.Header().Set("X-Degraded", "TRUE")
		case "/body":
			_, _ = w.Write([]byte(strings.Repeat(" ", 40_000) + `{"fallback": true}`))
		case "/far":
			_, _ = w.Write([]byte(strings.Repeat(" ", ClassBody-10) + `{"fallback": true}`))
		case "/partial":
			w.WriteHeader(http.StatusPartialContent)
		case "/busy":
			w.WriteHeader(http.StatusServiceUnavailable)
		case "/busybody":
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = w.Write([]byte(`{"fallback": true}`))
		case "/half":
			w.Header().Set("Content-Length", "10")
			_, _ = w.Write([]byte("half"))
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func TestAnswersAreClassified(t *testing.T) {
	url := answering(t)
	inHeader := &Classes{Full: "2xx", Degraded: &Answer{Header: map[string]string{"x-degraded": "true"}}}
	inBody := &Classes{Full: "200", Degraded: &Answer{Body: `"fallback": true`}, Failed: &Answer{Status: "5xx"}}
	both := &Classes{Full: "2xx", Failed: &Answer{Status: "206", Header: map[string]string{"X-Degraded": "true"}}, Degraded: &Answer{Status: "206,503"}}
	for path, want := range map[string]map[*Classes]sample.Class{
		"/":         {inHeader: sample.Full, inBody: sample.Full, both: sample.Full, nil: sample.Unclassified},
		"/header":   {inHeader: sample.Degraded, inBody: sample.Full, both: sample.Full, nil: sample.Unclassified},
		"/other":    {inHeader: sample.Full},
		"/body":     {inHeader: sample.Full, inBody: sample.Degraded},
		"/far":      {inBody: sample.Full},
		"/partial":  {inHeader: sample.Full, inBody: sample.Failed, both: sample.Degraded},
		"/busy":     {inHeader: sample.Failed, inBody: sample.Failed, both: sample.Degraded},
		"/busybody": {inBody: sample.Failed},
		"/half":     {inHeader: sample.Failed, inBody: sample.Failed, nil: sample.Unclassified},
	} {
		for classes, class := range want {
			o := start(t, Spec{Name: "browse", URL: url + path, Rate: 100, Until: 20 * time.Millisecond, Classes: classes}).end()
			require.Len(t, o.results, 2)
			for _, r := range o.results {
				assert.Equal(t, class, r.Class, "%s %+v %+v", path, classes, r)
			}
		}
	}
}

func TestTargetsHaveClassesOfTheirOwn(t *testing.T) {
	url := answering(t)
	o := start(t, Spec{Name: "mix", Rate: 1000, Until: 60 * time.Millisecond, Classes: &Classes{Full: "2xx"}, Targets: []Target{
		{Name: "list", Weight: 1, URL: url + "/header"},
		{Name: "buy", Weight: 1, URL: url + "/header", Classes: &Classes{Full: "2xx", Degraded: &Answer{Header: map[string]string{"X-Degraded": "true"}}}},
	}}).end()
	want := map[string]sample.Class{"list": sample.Full, "buy": sample.Degraded}
	seen := map[string]bool{}
	for _, r := range o.results {
		assert.Equal(t, want[r.Target], r.Class)
		seen[r.Target] = true
	}
	assert.Len(t, seen, 2)
}

func TestSkippedRequestsHaveNoClass(t *testing.T) {
	hang := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hang }))
	defer server.Close()
	defer close(hang)
	o := start(t, Spec{Name: "browse", URL: server.URL, Rate: 100, Until: 50 * time.Millisecond, MaxInFlight: 1,
		Timeout: 300 * time.Millisecond, Classes: &Classes{Full: "2xx"}}).end()
	assert.Equal(t, map[string]int{"timeout": 1, "skipped": 4}, reasons(o.results))
	for _, r := range o.results {
		assert.Equal(t, map[bool]sample.Class{true: sample.Unclassified, false: sample.Failed}[r.Skipped], r.Class)
	}
}

func TestClassesThatSayNothingAreRefused(t *testing.T) {
	base := Spec{Name: "browse", URL: "http://localhost", Rate: 1, Until: time.Second}
	for want, classes := range map[string]*Classes{
		`class full: "" are no statuses`:        {},
		`class degraded fits every answer`:      {Full: "2xx", Degraded: &Answer{}},
		`class failed: "6xx" are no statuses`:   {Full: "2xx", Failed: &Answer{Status: "6xx"}},
		`class full: "200," are no statuses`:    {Full: "200,"},
		`class degraded: "20x" are no statuses`: {Full: "2xx", Degraded: &Answer{Status: "20x"}},
	} {
		spec := base
		spec.Classes = classes
		assert.ErrorContains(t, spec.withDefaults().check(), want)
	}
}
