package main

import (
	"net/http"
	"runtime"
	"time"
)

// costly has each answer take so much processor time besides, as one that is
// computed would.
func costly(next http.Handler, cost time.Duration) http.Handler {
	if cost <= 0 {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		burn(cost)
		next.ServeHTTP(w, r)
	})
}

// burn uses that much processor time, by the clock of its own thread: what others
// take of the processor meanwhile does not count.
func burn(cost time.Duration) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	until := threadTime() + cost
	for n := uint64(1); threadTime() < until; {
		for range 1000 {
			n = n*6364136223846793005 + 1442695040888963407
		}
		runtime.KeepAlive(n)
	}
}
