//go:build linux

package embedded

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"squall/cluster"
	"squall/cluster/capability"
	"squall/cluster/hostroom"

	"golang.org/x/sys/unix"
)

// Abilities says what this host can do beyond what every cluster needs, and what
// for, as far as reading tells; [Probe] tries the rest.
func Abilities(ctx context.Context) []Fact {
	facts := []Fact{versionFact(), sysResourceFact(), timeFact(), loopFact()}
	facts = append(facts, limitFacts()...)
	return append(append(facts, sizeFacts()...), dockerFact(ctx))
}

// dockerFact says whether a Docker daemon answers here.
func dockerFact(ctx context.Context) Fact {
	const socket = "/var/run/docker.sock"
	client := http.Client{
		Timeout: 2 * time.Second,
		Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		}},
	}
	defer client.CloseIdleConnections()
	f := Fact{What: "Docker", For: "clusters by kind; embedded ones do without", Way: "apt-get install -y docker.io && systemctl start docker"}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://docker/_ping", nil)
	if err != nil {
		return f
	}
	answer, err := client.Do(request)
	if err != nil {
		return f
	}
	defer answer.Body.Close()
	f.OK = answer.StatusCode == http.StatusOK
	return f
}

// versionFact says which control groups the host has and what comes of it.
func versionFact() Fact {
	g, err := findGroups()
	switch {
	case err != nil:
		return Fact{What: "the version of control groups", Unknown: true, Way: err.Error()}
	case g.Version == 1:
		return Fact{What: "cgroup v1", For: "nodes are paused by SIGSTOP: what v1 freezes cannot be killed", OK: true}
	}
	return Fact{What: "cgroup v2: written, not run by us: tell us how it goes", For: "nodes are paused by SIGSTOP, as on v1", OK: true}
}

// sysResourceFact says whether OOM scores and limits can be set.
func sysResourceFact() Fact {
	f := Fact{
		What: "CAP_SYS_RESOURCE",
		For:  "OOM scores and limits as on real nodes; without it all have the same score",
		OK:   capability.SysResource(),
		Way:  "cannot be fixed here: whatever started this withholds it; a container gets it with --cap-add SYS_RESOURCE, a systemd service with CapabilityBoundingSet=~",
	}
	if f.OK {
		f.What += ": written, not run by us: tell us how it goes"
	}
	if os.Geteuid() != 0 {
		f.Unknown, f.OK, f.Way = true, false, "only root has it: sudo squall doctor"
	}
	return f
}

func timeFact() Fact {
	_, err := os.Stat("/proc/self/ns/time")
	return Fact{
		What: "time namespaces", For: "faults on clocks: only what was up for how long, never the time of day", OK: err == nil,
		Way: "cannot be fixed here: the kernel was built without CONFIG_TIME_NS, boot another",
	}
}

// loopFact says whether volumes can have a size of their own.
func loopFact() Fact {
	_, err := os.Stat("/dev/loop-control")
	return Fact{
		What: "loop devices and ext4", For: "volumes, each as large as its claim says", OK: err == nil && kernelHas("ext4"),
		Way: "modprobe -a loop ext4" + noModule,
	}
}

// What clusters take of limits that all of root's processes share: the kernel's
// own defaults, with which clusters were run.
const (
	leastWatches = 8192
	leastPids    = 32768
	leastFiles   = 4096
)

// limitFacts say whether limits leave room for clusters side by side.
func limitFacts() []Fact {
	const workers, clusters = 3, 3
	instances := int64(clusters * watchers().Of(cluster.Spec{Workers: workers}))
	return []Fact{
		kernelLimit("fs.inotify.max_user_instances", instances, 1024,
			fmt.Sprintf("%d clusters of %d workers side by side; one takes %d", clusters, workers, instances/clusters)),
		kernelLimit("fs.inotify.max_user_watches", leastWatches, 524288, "mounted ConfigMaps and Secrets that change"),
		kernelLimit("kernel.pid_max", leastPids, 4194304, "many pods at once"),
		filesFact(),
	}
}

// kernelLimit judges a setting of the kernel; better is what to set it to.
func kernelLimit(name string, least, better int64, purpose string) Fact {
	b, err := os.ReadFile("/proc/sys/" + strings.ReplaceAll(name, ".", "/"))
	have, parsed := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	return Fact{
		What: fmt.Sprintf("%s %d or more (it is %d)", name, least, have), For: purpose,
		OK: err == nil && parsed == nil && have >= least, Unknown: err != nil || parsed != nil,
		Way: fmt.Sprintf("sysctl -w %s=%d", name, better),
	}
}

// filesFact judges how many files a process of a cluster may have open.
func filesFact() Fact {
	var limit unix.Rlimit
	err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit)
	have := "no limit"
	if limit.Max != unix.RLIM_INFINITY {
		have = strconv.FormatUint(limit.Max, 10)
	}
	return Fact{
		What: fmt.Sprintf("%d or more open files a process (%s)", leastFiles, have), For: "etcd and the API server under load",
		OK: err == nil && limit.Max >= leastFiles, Unknown: err != nil,
		Way: "ulimit -Hn 1048576, in a shell that may raise it; in a systemd service LimitNOFILE=1048576",
	}
}

// usualWorker is the size that workers have unless a scenario says otherwise.
const (
	usualCores  = 2
	usualMemory = 2 << 30
)

// sizeFacts say how large clusters can be here.
func sizeFacts() []Fact {
	cores := runtime.NumCPU()
	facts := []Fact{{
		What: fmt.Sprintf("%d processors or more (there are %d)", usualCores, cores),
		For:  fmt.Sprintf("workers of %d processors; a worker cannot have more than the host", usualCores),
		OK:   cores >= usualCores,
		Way:  "cannot be fixed here: ask for smaller workers, spec.cluster.node.cpu in scenarios, --node-cpu 1 on the command line",
	}}
	m, err := hostroom.ReadMemory()
	if err != nil {
		return append(facts, Fact{What: "memory", Unknown: true, Way: err.Error()})
	}
	fit := m.Workers(usualMemory, MaxWorkers)
	return append(facts, Fact{
		What: fmt.Sprintf("memory for workers of %s (%s available: %d of at most %d workers)", hostroom.Gibibytes(usualMemory), hostroom.Gibibytes(m.Available), fit, MaxWorkers),
		For:  "clusters of workers of the usual size",
		OK:   fit >= 2,
		Way:  "end what uses memory, or ask for smaller workers: spec.cluster.node.memory in scenarios, --node-memory 1Gi on the command line",
	})
}
