package traffic

import (
	"errors"
	"strings"
	"syscall"
)

// The reasons of requests that failed for want of something on the generator's own
// host. They say nothing about the system that is asked.
const (
	NoFreePort   = "no free port"
	TooManyFiles = "too many open files"
	OutOfMemory  = "out of memory"
)

// ownHost is what the generator's own host lacked; empty when it lacked nothing.
// A lookup tells its error as text alone.
func ownHost(err error) string {
	for reason, causes := range map[string][]syscall.Errno{
		NoFreePort:   {syscall.EADDRNOTAVAIL},
		TooManyFiles: {syscall.EMFILE, syscall.ENFILE},
		OutOfMemory:  {syscall.ENOMEM, syscall.ENOBUFS},
	} {
		for _, cause := range causes {
			if errors.Is(err, cause) || strings.HasSuffix(err.Error(), ": "+cause.Error()) {
				return reason
			}
		}
	}
	return ""
}
