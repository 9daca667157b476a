package traffic

import (
	"errors"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// napper sleeps more finely than Go's timers, which on Linux are late by up to a
// millisecond: epoll counts in milliseconds, and the kernel lets threads sleep 50 µs
// longer so as to wake several at once. It belongs to one goroutine.
type napper struct{ ready bool }

// nap sleeps. It may end early: who calls it looks at the clock.
func (n *napper) nap(d time.Duration) {
	if !n.ready {
		runtime.LockOSThread()                             // for good: the slack is the thread's, which ends with the goroutine
		_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0) // without, naps are longer
		n.ready = true
	}
	left := unix.NsecToTimespec(int64(d))
	if err := unix.ClockNanosleep(unix.CLOCK_MONOTONIC, 0, &left, nil); err != nil && !errors.Is(err, unix.EINTR) {
		time.Sleep(d)
	}
}
