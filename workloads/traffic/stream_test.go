package traffic

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestReadStream(t *testing.T) {
	one := `{"result":{"n":0,"due":1,"sent":2,"done":3,"code":200}}` + "\n"
	skipped := `{"result":{"n":1,"due":1,"sent":0,"done":0,"skipped":true}}` + "\n"
	end := `{"summary":{"name":"a","planned":2,"sent":1,"skipped":1}}` + "\n"

	var got []Result
	summary, err := Read(strings.NewReader(one+skipped+end), func(r Result) { got = append(got, r) })
	require.NoError(t, err)
	assert.Equal(t, uint64(2), summary.Planned)
	assert.Equal(t, []Result{{Due: 1, Sent: 2, Done: 3, Code: 200}, {Seq: 1, Due: 1, Skipped: true}}, got)

	for _, text := range []string{"", one + skipped, one + skipped + end[:20]} {
		summary, err = Read(strings.NewReader(text), func(Result) {})
		require.ErrorIs(t, err, io.ErrUnexpectedEOF, "%q", text)
		assert.Equal(t, text != "", summary.Sent == 1, "what was counted until then")
	}
	_, err = Read(strings.NewReader(one+end), func(Result) {})
	require.ErrorContains(t, err, "its results are 1, 1, 0")
	_, err = Read(strings.NewReader("nonsense\n"), func(Result) {})
	require.ErrorContains(t, err, "line 1")
	_, err = Read(bytes.NewReader(make([]byte, 2*maxLine)), func(Result) {})
	require.ErrorContains(t, err, "longer than")
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
