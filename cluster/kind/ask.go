package kind

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// answerDeadline bounds an answer that waits for something; who asks may end it
// sooner.
const answerDeadline = 2 * time.Minute

// answer answers a question about the node that this program runs in, or changes
// something there: who asks is outside and reaches in with "docker exec". No
// shell is needed for it, nor are its words ever read by one.
func answer(args []string) error {
	questions := map[string]struct {
		arguments int
		do        func(context.Context, ...string) error
	}{
		"file":    {1, writeOut},
		"store":   {1, store},
		"has":     {1, func(_ context.Context, a ...string) error { _, err := os.Stat(a[0]); return err }},
		"resolve": {0, func(ctx context.Context, _ ...string) error { return waitResolved(ctx) }},
		"booted":  {0, func(ctx context.Context, _ ...string) error { return waitUnits(ctx, "containerd", prepareName) }},
		"started": {0, func(ctx context.Context, _ ...string) error {
			return waitUnits(ctx, "containerd", prepareName, "kubelet")
		}},
		"processes": {1, countProcesses},
		"cpu":       {0, processorTime},
		"grows":     {0, tellGrowth},
		"stop":      {0, stopAll},
		"thaw":      {1, thawGroups},
	}
	if len(args) == 0 {
		return errors.New("nothing was asked")
	}
	q, ok := questions[args[0]]
	if !ok || len(args)-1 != q.arguments {
		return fmt.Errorf("there is no question %q with %d arguments", args[0], len(args)-1)
	}
	ctx, cancel := context.WithTimeoutCause(context.Background(), answerDeadline, fmt.Errorf("not within %s", answerDeadline))
	defer cancel()
	return q.do(ctx, args[1:]...)
}

// writeOut writes a file to standard output.
func writeOut(_ context.Context, args ...string) error {
	f, err := os.Open(args[0])
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(os.Stdout, f)
	return err
}

// store writes standard input to a file, whole or not at all. It may be a
// program and may hold a secret.
func store(_ context.Context, args ...string) error {
	path := args[0]
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	temp, err := os.CreateTemp(filepath.Dir(path), ".storing-*")
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name())
	_, err = io.Copy(temp, os.Stdin)
	if err := errors.Join(err, temp.Chmod(0o700), temp.Close()); err != nil {
		return err
	}
	return os.Rename(temp.Name(), path)
}

// waitResolved waits until the cluster's DNS answers on this node, through its
// Service. That proves at once that kube-proxy has programmed the node, that the
// pod network reaches it and that CoreDNS answers from the API.
func waitResolved(ctx context.Context) error {
	for {
		err := resolveOnce(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w; last: %w", context.Cause(ctx), err)
		case <-time.After(50 * time.Millisecond): // nothing announces that a packet filter is in place
		}
	}
}

func resolveOnce(ctx context.Context) error {
	r := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp4", net.JoinHostPort(dnsServiceIP, "53"))
	}}
	ctx, cancel := context.WithTimeout(ctx, 250*time.Millisecond)
	defer cancel()
	addresses, err := r.LookupHost(ctx, "kubernetes.default.svc.cluster.local.")
	if err == nil && !slices.Equal(addresses, []string{apiServiceIP}) {
		err = fmt.Errorf("the API's name resolves to %v, not to %s", addresses, apiServiceIP)
	}
	return err
}

// waitUnits waits until units are active.
func waitUnits(ctx context.Context, units ...string) error {
	for {
		out, err := exec.CommandContext(ctx, "systemctl", append([]string{"is-active"}, units...)...).CombinedOutput()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w; last: of %v systemd said %q", context.Cause(ctx), units, strings.TrimSpace(string(out)))
		case <-time.After(50 * time.Millisecond): // systemd may not answer yet
		}
	}
}

// countProcesses writes how many processes a pod has, by their control groups,
// which bear its UID, with dashes or as systemd's slices have it.
func countProcesses(_ context.Context, args ...string) error {
	uid, n := args[0], 0
	files, err := filepath.Glob("/proc/[0-9]*/cgroup")
	if err != nil {
		return err
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		if s := string(b); strings.Contains(s, "pod"+uid) || strings.Contains(s, "pod"+strings.ReplaceAll(uid, "-", "_")) {
			n++
		}
	}
	fmt.Println(n)
	return nil
}

// processorTime writes the processor time that the node has used, in seconds:
// of cgroup v2 or, in nanoseconds, of v1 (admin-guide/cgroup-v2.rst and
// cgroup-v1/cpuacct.rst in Linux).
func processorTime(context.Context, ...string) error {
	b, err := os.ReadFile("/sys/fs/cgroup/cpu.stat")
	if err == nil {
		for _, line := range strings.Split(string(b), "\n") {
			if used, ok := strings.CutPrefix(line, "usage_usec "); ok {
				return writeSeconds(used, 1e6)
			}
		}
	}
	for _, folder := range []string{"cpuacct", "cpu,cpuacct"} {
		if b, err := os.ReadFile(filepath.Join("/sys/fs/cgroup", folder, "cpuacct.usage")); err == nil {
			return writeSeconds(string(b), 1e9)
		}
	}
	return errors.New("no control group of the node counts processor time")
}

func writeSeconds(units string, perSecond float64) error {
	n, err := strconv.ParseFloat(strings.TrimSpace(units), 64)
	if err != nil {
		return err
	}
	fmt.Println(n / perSecond)
	return nil
}
