package traffic

import (
	"runtime/debug"
	"time"
)

// selfEvery is how often the generator tells of itself. The runtime remembers 256
// collections, which are seconds of them under any load.
const selfEvery = time.Second

// Self is what the generator tells of its own runtime, since it told before.
type Self struct {
	// At is when it was told.
	At time.Duration `json:"at"`
	// Pauses are collections of garbage, each of which stopped the whole process.
	Pauses []Pause `json:"pauses,omitempty"`
}

// Pause is one collection of garbage.
type Pause struct {
	At   time.Duration `json:"at"`   // when it ended
	Took time.Duration `json:"took"` // for how long nothing else ran, in all
}

// introspection tells of the runtime, again and again.
type introspection struct {
	clock clock
	tell  func(Self)
	known int64 // collections that were told, or were before
	wake  chan struct{}
	done  chan struct{}
}

// introspect begins to tell. The caller must call close.
func introspect(c clock, tell func(Self)) *introspection {
	i := &introspection{clock: c, tell: tell, wake: make(chan struct{}), done: make(chan struct{})}
	var before debug.GCStats
	debug.ReadGCStats(&before)
	i.known = before.NumGC
	go i.run()
	return i
}

// run tells each second, and once more at the end.
func (i *introspection) run() {
	defer close(i.done)
	tick := time.NewTicker(selfEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			i.tell(i.since())
		case <-i.wake:
			i.tell(i.since())
			return
		}
	}
}

// since is what there is to tell.
func (i *introspection) since() Self {
	var stats debug.GCStats
	debug.ReadGCStats(&stats)
	self := Self{At: i.clock.now()}
	fresh := min(stats.NumGC-i.known, int64(len(stats.Pause)))
	for n := fresh - 1; n >= 0; n-- { // the latest stands first
		self.Pauses = append(self.Pauses, Pause{At: i.clock.offsetOf(stats.PauseEnd[n]), Took: stats.Pause[n]})
	}
	i.known = stats.NumGC
	return self
}

// close tells the rest.
func (i *introspection) close() {
	close(i.wake)
	<-i.done
}
