package reports_test

import (
	"bytes"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"squall/reports"

	"github.com/stretchr/testify/assert"
)

// screen is a writer that may be read while it is written to.
type screen struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.Write(p)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.String()
}

func TestLiveWithoutATerminalWritesPlainLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out screen
		live := reports.NewLive(&out, false)
		time.Sleep(6 * time.Second) // nothing to tell yet
		live.Phase("up", 0)
		time.Sleep(time.Second)
		live.Phase("steady", 7*time.Second)
		live.Load(200, 3)
		time.Sleep(5 * time.Second) // the tick at 10 s
		live.Say("kill: injected\x1b[31m")
		live.Close()
		live.Close()
		live.Say("too late")
		live.Phase("too late", 0)
		assert.Equal(t, strings.Join([]string{
			"   6.0s  up      ",
			"   7.0s  steady    7s left",
			"  10.0s  steady    200/s  3 bad  4s left",
			`  12.0s  kill: injected\x1b[31m`,
			"",
		}, "\n"), out.String())
	})
}

func TestLiveForgetsTheLoadOfTheRunBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out screen
		live := reports.NewLive(&out, false)
		live.Load(200, 3)
		live.Latency(12 * time.Millisecond)
		live.Phase("down", 0)
		live.Phase("up", 0)
		live.Load(100, 0)
		live.Phase("deploy", 0)
		live.Close()
		assert.Equal(t, "   0.0s  down      200/s  3 bad  p99 12ms\n   0.0s  up      \n   0.0s  deploy    100/s  0 bad\n", out.String())
	})
}

func TestLiveOnATerminalIsOneLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out screen
		live := reports.NewLive(&out, true)
		live.Phase("fault", 10*time.Second)
		live.Load(200, 3)
		time.Sleep(2100 * time.Millisecond)
		live.Say("kill: injected")
		live.Phase(strings.Repeat("long", 50), time.Minute)
		live.Close()
		text := out.String()
		assert.Equal(t, 1, strings.Count(text, "\n"), "only what stays")
		assert.Contains(t, text, "fault     200/s  3 bad  8s left")
		assert.Contains(t, text, "\x1b[2K   2.1s  kill: injected\n\r\x1b[2K   2.1s  fault")
		assert.True(t, strings.HasSuffix(text, "\r\x1b[2K"), "nothing is left on the line")
		for line := range strings.SplitSeq(text, "\r\x1b[2K") {
			assert.Less(t, utf8.RuneCountInString(line), 80)
		}
	})
}
