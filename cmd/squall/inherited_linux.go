package main

import (
	"math"

	"golang.org/x/sys/unix"
)

// closeInherited has the files that the caller left open, such as a lock that a
// shell holds while squall runs, closed in every program that squall starts: an
// engine or a cluster that lives on must not keep them.
func closeInherited() {
	// Linux before 5.11 cannot; there they are kept, as by any other program.
	_ = unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC)
}
