package reports

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/term"
)

// How often the live line is drawn again on a terminal, and how often a plain
// line is written elsewhere.
const (
	liveRedraw = 200 * time.Millisecond
	livePlain  = 5 * time.Second
)

// Live shows a run while it goes on: on a terminal one line that changes,
// elsewhere (a file, CI) a plain line for each phase, each [Live.Say] and each 5
// seconds. It is safe for concurrent use. Whoever makes one calls Close.
type Live struct {
	mu       sync.Mutex
	w        io.Writer
	terminal bool
	begun    time.Time
	phase    string
	ends     time.Time // of the phase; zero when not known
	loaded   bool      // Load has been called in this run
	rate     uint64
	bad      uint64
	p99      time.Duration
	closed   bool

	stop    chan struct{}
	stopped chan struct{}
}

// NewLive shows a run on w. A terminal's width is asked of w when it is a file,
// each time anew, and taken as 80 otherwise.
func NewLive(w io.Writer, terminal bool) *Live {
	l := &Live{
		w: w, terminal: terminal, begun: time.Now(),
		stop: make(chan struct{}), stopped: make(chan struct{}),
	}
	go l.loop()
	return l
}

// firstPhase is the phase that a run begins with; no load has been sent before.
const firstPhase = "up"

// Phase says that a phase begins and how long it lasts at most; 0 when that is
// not known.
func (l *Live) Phase(name string, left time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	if name == firstPhase {
		l.loaded, l.rate, l.bad, l.p99 = false, 0, 0, 0
	}
	l.phase, l.ends = clean(name), time.Time{}
	if left > 0 {
		l.ends = time.Now().Add(left)
	}
	l.show()
}

// Load says how many requests were sent in the last second and how many have
// been bad since the run began, over all loads.
func (l *Live) Load(sentPerSec, bad uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.loaded, l.rate, l.bad = true, sentPerSec, bad
}

// Latency says what 99 of 100 answers of the last second took at most; 0 when
// there were none.
func (l *Live) Latency(p99 time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.p99 = p99
}

// Say writes a line that stays, an event for example.
func (l *Live) Say(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	l.clear()
	fmt.Fprintf(l.w, "%s  %s\n", l.clock(), clean(line))
	if l.terminal {
		l.show()
	}
}

// Close removes the changing line and ends the showing. What is shown after it
// is dropped. A second Close does nothing.
func (l *Live) Close() {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return
	}
	l.closed = true
	l.clear()
	close(l.stop)
	l.mu.Unlock()
	<-l.stopped
}

func (l *Live) loop() {
	defer close(l.stopped)
	every := livePlain
	if l.terminal {
		every = liveRedraw
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-l.stop:
			return
		case <-tick.C:
			l.mu.Lock()
			if !l.closed && l.phase != "" {
				l.show()
			}
			l.mu.Unlock()
		}
	}
}

// clear wipes the changing line.
func (l *Live) clear() {
	if l.terminal {
		io.WriteString(l.w, "\r\x1b[2K") // what cannot be shown is not worth failing a run
	}
}

// show draws the line, or writes it where there is no terminal.
func (l *Live) show() {
	if !l.terminal {
		fmt.Fprintln(l.w, l.line())
		return
	}
	width := 80
	if file, ok := l.w.(*os.File); ok {
		if columns, _, err := term.GetSize(int(file.Fd())); err == nil && columns > 0 {
			width = columns
		}
	}
	l.clear()
	io.WriteString(l.w, clip(l.line(), width-1)) // a full last column would wrap
}

func (l *Live) line() string {
	line := l.clock() + "  " + pad(l.phase, 8)
	if l.loaded {
		line += fmt.Sprintf("  %d/s  %d bad", l.rate, l.bad)
	}
	if l.loaded && l.p99 > 0 {
		line += "  p99 " + Duration(l.p99)
	}
	if !l.ends.IsZero() {
		left := max(0, time.Until(l.ends)).Round(time.Second)
		line += fmt.Sprintf("  %s left", left)
	}
	return line
}

// clock is the time since the showing began.
func (l *Live) clock() string {
	return pad(fmt.Sprintf("%.1fs", time.Since(l.begun).Seconds()), -7)
}
