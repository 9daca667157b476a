package run

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"squall/reports"
	"squall/scenarios"

	"golang.org/x/sys/unix"
)

// recordName names the folder of a record: scenario, twin, time, and a few
// random digits for runs of the same second.
func recordName(s *scenarios.Scenario, calm bool, began time.Time) string {
	parts := []string{slug(s.Metadata.Name)}
	if s.Twin != "" {
		parts = append(parts, slug(s.Twin))
	}
	if calm {
		parts = append(parts, "calm")
	}
	return strings.Join(append(parts, began.UTC().Format("20060102-150405"), randomHex(2)), "-")
}

// slug keeps what is harmless in a file's name.
func slug(name string) string {
	harmless := func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '.', r == '_':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		}
		return '-'
	}
	const longest = 60 // a folder's name has room for 255 bytes
	name = strings.Trim(strings.Map(harmless, name), "-.")
	return name[:min(len(name), longest)]
}

// randomHex is n random bytes in hexadecimal digits.
func randomHex(n int) string {
	b := make([]byte, n)
	rand.Read(b) // it never fails
	return hex.EncodeToString(b)
}

// header is the record's first line.
func (c *conductor) header() reports.Header {
	h := reports.Header{
		Squall: c.options.Version, Kubernetes: c.cluster.Info().Kubernetes, NodeImage: c.cluster.Info().NodeImage,
		Provider: c.options.ProviderName,
		Timers:   c.scenario.Spec.Cluster.Timers, Scenario: c.scenario.Metadata.Name, Twin: c.scenario.Twin,
		Calm: c.options.Calm, Digest: c.plan.Digest, Seed: c.options.Seed,
		Started: c.clock.began.UTC(), Host: hostFacts(), Replay: c.options.ReplayOf,
	}
	if c.options.NoInject {
		h.Flags = append(h.Flags, FlagNoInject)
	}
	return h
}

// hostFacts are what may bear on a result. What the host does not tell stays
// empty: facts explain a run, they do not decide one.
func hostFacts() reports.Host {
	h := reports.Host{
		OS: runtime.GOOS, Arch: runtime.GOARCH, CPUs: runtime.NumCPU(), Go: runtime.Version(),
		MemoryBytes:       memoryBytes(),
		Cgroup:            cgroupVersion(),
		CongestionControl: firstLine("/proc/sys/net/ipv4/tcp_congestion_control"),
	}
	var name unix.Utsname
	if unix.Uname(&name) == nil {
		release, _, _ := bytes.Cut(name.Release[:], []byte{0})
		h.Kernel = string(release)
	}
	return h
}

// memoryBytes is the host's memory by /proc/meminfo, which counts in KiB.
func memoryBytes() uint64 {
	for line := range strings.Lines(readFile("/proc/meminfo")) {
		var kib uint64
		if n, err := fmt.Sscanf(line, "MemTotal: %d kB", &kib); err == nil && n == 1 {
			return kib << 10
		}
	}
	return 0
}

// cgroupVersion tells v2 by the file that only its root has; hybrid hosts, whose
// controllers are v1's, count as v1.
func cgroupVersion() string {
	for version, file := range map[int]string{2: "/sys/fs/cgroup/cgroup.controllers", 1: "/sys/fs/cgroup/cpu"} {
		if _, err := os.Stat(file); err == nil {
			return "v" + strconv.Itoa(version)
		}
	}
	return ""
}

func firstLine(path string) string {
	line, _, _ := strings.Cut(readFile(path), "\n")
	return line
}

// readFile is a file's text, empty when it cannot be read.
func readFile(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return string(b)
}
