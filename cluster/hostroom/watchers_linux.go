package hostroom

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// instancesFile is how many instances each user may have (inotify(7)).
const instancesFile = "/proc/sys/fs/inotify/max_user_instances"

// CheckWatchers refuses what takes more inotify instances than root has left on
// the whole host: kubelets and kube-proxies would end with "too many open files".
// What is left is found by taking it, which only root can; for others the kernel's
// limit has to do.
func CheckWatchers(who string, need int) error {
	left, err := watchersLeft(need)
	if err != nil || left >= need {
		return err
	}
	return fmt.Errorf("%s takes %d inotify instances and the host has %d left for root: "+
		"sysctl -w fs.inotify.max_user_instances=1024, or end what takes them", who, need, left)
}

// watchersLeft is how many root has left, counted up to most.
func watchersLeft(most int) (int, error) {
	if os.Geteuid() != 0 {
		b, err := os.ReadFile(instancesFile)
		if err != nil {
			return 0, fmt.Errorf("asking for the limit of inotify instances: %w", err)
		}
		return strconv.Atoi(strings.TrimSpace(string(b)))
	}
	var taken []int
	defer func() {
		for _, fd := range taken {
			unix.Close(fd)
		}
	}()
	for range most {
		fd, err := unix.InotifyInit1(unix.IN_CLOEXEC)
		if err != nil {
			break
		}
		taken = append(taken, fd)
	}
	return len(taken), nil
}
