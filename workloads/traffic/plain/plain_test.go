package plain

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func send(t *testing.T, s Spec) Figures {
	t.Helper()
	in, err := json.Marshal(s)
	require.NoError(t, err)
	var out bytes.Buffer
	require.NoError(t, Main(t.Context(), bytes.NewReader(in), &out))
	var f Figures
	require.NoError(t, json.Unmarshal(out.Bytes(), &f))
	return f
}

// What is wrong with the figures of a frozen server and few workers is what the
// comparison is about: it must not be mended here.
func TestFewWorkersHideAFreeze(t *testing.T) {
	var gate sync.RWMutex
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		gate.RLock()
		defer gate.RUnlock()
	}))
	defer server.Close()
	thawed := make(chan struct{})
	go func() {
		defer close(thawed)
		time.Sleep(500 * time.Millisecond) // the freeze is the stimulus
		gate.Lock()
		time.Sleep(time.Second)
		gate.Unlock()
	}()
	f := send(t, Spec{URL: server.URL, Rate: 500, For: 3 * time.Second, Workers: 2})
	<-thawed
	assert.InDelta(t, 1500, f.Sent, 1)
	assert.Less(t, f.Reported99, 500*time.Millisecond, "it would be honest")
	assert.Greater(t, f.LagP99, 500*time.Millisecond, "the schedule knows")
	assert.Positive(t, f.CPU)
	assert.Positive(t, f.Began)
}

func TestNothingToSendIsRefused(t *testing.T) {
	for _, text := range []string{"", "{}", `{"rate": 5}`, `{"for": 5}`} {
		assert.Error(t, Main(t.Context(), strings.NewReader(text), &bytes.Buffer{}), text)
	}
}
