package policy

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// watchFolder calls back whenever a file of a folder was written or removed,
// until it is stopped.
func watchFolder(folder string, changed func()) (stop func(), err error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("watching the folder %s: %w", folder, err)
	}
	events := os.NewFile(uintptr(fd), "inotify")
	if _, err := unix.InotifyAddWatch(fd, folder, unix.IN_CLOSE_WRITE|unix.IN_MOVED_TO|unix.IN_DELETE|unix.IN_ONLYDIR); err != nil {
		_ = events.Close()
		return nil, fmt.Errorf("watching the folder %s: %w", folder, err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buffer := make([]byte, 4096)
		for {
			if _, err := events.Read(buffer); err != nil {
				return // closed
			}
			changed()
		}
	}()
	return func() {
		_ = events.Close()
		<-done
	}, nil
}
