//go:build linux

// Package capability tells what the kernel withholds from this process, root or
// not: in a container it may be much.
package capability

import (
	"os"
	"regexp"
	"strconv"
)

// capSysResource is the number of CAP_SYS_RESOURCE (linux/capability.h). Without
// it nobody, root included, lowers an OOM score or raises a hard limit.
const capSysResource = 24

// capabilityLines are the lines of /proc/PID/status with the sets of
// capabilities that decide.
var capabilityLines = regexp.MustCompile(`(?m)^Cap(?:Eff|Bnd):\s+([0-9a-f]+)$`)

// mayRaise reads a /proc/PID/status and tells whether that process, and what it
// starts, may lower OOM scores and raise limits. The bounding set counts too:
// what is not in it is lost with the next program that is started.
func mayRaise(status []byte) bool {
	lines := capabilityLines.FindAllSubmatch(status, -1)
	for _, line := range lines {
		set, err := strconv.ParseUint(string(line[1]), 16, 64)
		if err != nil || set&(1<<capSysResource) == 0 {
			return false
		}
	}
	return len(lines) == 2
}

// SysResource tells whether this process has CAP_SYS_RESOURCE, and what it
// starts. With it OOM scores and limits stay as Kubernetes has them, which was
// *not run here*; without it containers and kube-proxy keep the scores of what
// started them. An ext4 that is mounted grows only with it.
func SysResource() bool {
	status, err := os.ReadFile("/proc/self/status")
	return err == nil && mayRaise(status)
}
