//go:build !linux

package traffic

import "time"

// napper sleeps as Go does; see the one for Linux.
type napper struct{}

func (*napper) nap(d time.Duration) { time.Sleep(d) }
