//go:build linux

package embedded

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// probeTimeout bounds the probing, which takes a tenth of a second.
const probeTimeout = 15 * time.Second

// trial is one thing that a host is tried for. It is tried in a process that has
// every namespace to itself and takes all it made along, so nothing changes on
// the host, but that the kernel may load the module which was asked for.
type trial struct {
	what, purpose string // purpose is empty for what every cluster needs
	way           string
	try           func() error
}

func trials() []trial {
	module := func(names string) string { return "modprobe -a " + names + noModule }
	return []trial{
		{"an overlay over the root file system", "", "cannot be fixed here: Squall needs a root file system that an overlay can lie on", tryOverlay},
		{"virtual links (veth)", "", module("veth"), tryVeth},
		{"bridges", "", module("bridge"), tryBridge},
		{"nf_tables with connection tracking and NAT", "", module("nf_tables nf_conntrack nft_ct nft_nat nft_masq"), tryNAT},
		{"NFQUEUE", "faults on packets: loss, delay, corruption", module("nfnetlink_queue xt_NFQUEUE nft_compat"), tryQueue},
		{"netem queueing", "delay and loss by the kernel; without it NFQUEUE does it", module("sch_netem"), tryNetem},
		{"tbf queueing", "limits of bandwidth", module("sch_tbf"), tryTbf},
		{"TUN devices", "pods with VPNs", module("tun") + "; mkdir -p /dev/net && mknod /dev/net/tun c 10 200", tryTun},
	}
}

// trialOutcome is what a trial came to; an empty Problem is success.
type trialOutcome struct{ What, Problem string }

// probe is the process that tries what a host can do.
func probe([]string) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("leaving the host's mounts: %w", err)
	}
	if err := mount("squall", "/tmp", "tmpfs", 0, "size=1m"); err != nil {
		return err
	}
	out := json.NewEncoder(os.Stdout)
	for _, t := range trials() {
		o := trialOutcome{What: t.what}
		if err := t.try(); err != nil {
			o.Problem = err.Error()
		}
		if err := out.Encode(o); err != nil {
			return err
		}
	}
	return nil
}

// Probe tries what reading cannot tell. What every cluster needs comes first and
// has no For.
func Probe(ctx context.Context) []Fact {
	outcomes, err := runProbe(ctx)
	namespaces := Fact{What: "namespaces of all kinds", OK: err == nil}
	if err != nil {
		namespaces.Way = fmt.Sprintf("%v; in a container: start it with --privileged", err)
	}
	if os.Geteuid() != 0 {
		namespaces.Unknown, namespaces.Way = true, "only root can try: sudo squall doctor"
	}
	facts := []Fact{namespaces}
	for _, t := range trials() {
		problem, tried := outcomes[t.what]
		f := Fact{What: t.what, For: t.purpose, OK: tried && problem == "", Unknown: !tried}
		switch {
		case !tried:
			f.Way = "could not be tried: see \"namespaces of all kinds\""
		case problem != "":
			f.Way = fmt.Sprintf("%s (%s)", t.way, problem)
		}
		facts = append(facts, f)
	}
	return facts
}

// runProbe starts the probing process and collects what it found.
func runProbe(ctx context.Context) (map[string]string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, probeTimeout, fmt.Errorf("no answer within %s", probeTimeout))
	defer cancel()
	var out, said bytes.Buffer
	cmd := exec.CommandContext(ctx, "/proc/self/exe")
	cmd.Args, cmd.Env, cmd.Dir = []string{probeName}, []string{"PATH=" + hostPath}, "/"
	cmd.Stdout, cmd.Stderr = &out, &said
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: nodeNamespaces | syscall.CLONE_NEWCGROUP, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Run(); err != nil {
		return nil, errors.Join(fmt.Errorf("trying what this host can do: %w %s", err, strings.TrimSpace(said.String())), context.Cause(ctx))
	}
	outcomes := map[string]string{}
	for decoder := json.NewDecoder(&out); decoder.More(); {
		var o trialOutcome
		if err := decoder.Decode(&o); err != nil {
			return nil, fmt.Errorf("reading what this host can do: %w", err)
		}
		outcomes[o.What] = o.Problem
	}
	return outcomes, nil
}

func tryOverlay() error {
	for _, d := range []string{"/tmp/upper", "/tmp/work"} {
		if err := os.Mkdir(d, 0o755); err != nil {
			return err
		}
	}
	if err := mount("overlay", "/tmp/root", "overlay", 0, "lowerdir=/,upperdir=/tmp/upper,workdir=/tmp/work"); err != nil {
		return err
	}
	return os.WriteFile("/tmp/root/squall-probe", nil, 0o600)
}

// probed is a link that queueing is tried on.
const probed = "squall-probe"

func named(name string) netlink.LinkAttrs {
	attrs := netlink.NewLinkAttrs()
	attrs.Name = name
	return attrs
}

func tryVeth() error {
	return netlink.LinkAdd(&netlink.Veth{LinkAttrs: named(probed), PeerName: probed + "-b"})
}

func tryBridge() error { return netlink.LinkAdd(&netlink.Bridge{LinkAttrs: named(bridgeName)}) }

func tryNetem() error {
	return tryQdisc(func(a netlink.QdiscAttrs) netlink.Qdisc {
		return netlink.NewNetem(a, netlink.NetemQdiscAttrs{Latency: 1000})
	})
}

func tryTbf() error {
	return tryQdisc(func(a netlink.QdiscAttrs) netlink.Qdisc {
		return &netlink.Tbf{QdiscAttrs: a, Rate: 1 << 20, Limit: 1 << 16, Buffer: 1 << 12}
	})
}

func tryQdisc(make func(netlink.QdiscAttrs) netlink.Qdisc) error {
	link, err := netlink.LinkByName(probed)
	if err != nil {
		return fmt.Errorf("there is no link to try it on: %w", err)
	}
	return netlink.QdiscReplace(make(netlink.QdiscAttrs{
		LinkIndex: link.Attrs().Index, Handle: netlink.MakeHandle(1, 0), Parent: netlink.HANDLE_ROOT}))
}

func tryTun() error {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("opening /dev/net/tun: %w", err)
	}
	return unix.Close(fd)
}

func tryNAT() error {
	return tryRules(`table inet squall-probe {
 chain in { type filter hook input priority 0; ct state established accept; }
 chain out { type nat hook postrouting priority 100; masquerade; }
}`)
}

// tryQueue asks for the target that packets take to a program. nft's own queue
// statement is left out of some kernels that have the target.
func tryQueue() error {
	if err := run("iptables", "-I", "INPUT", "-j", "NFQUEUE", "--queue-num", "7", "--queue-bypass"); err != nil {
		return err
	}
	if _, err := os.Stat("/proc/self/net/netfilter/nfnetlink_queue"); err != nil {
		return fmt.Errorf("the kernel has no nfnetlink_queue: %w", err)
	}
	return nil
}

// tryRules gives rules to the kernel as kube-proxy does, through nft.
func tryRules(rules string) error {
	file := filepath.Join("/tmp", "rules")
	if err := os.WriteFile(file, []byte(rules), 0o600); err != nil {
		return err
	}
	return run("nft", "-f", file)
}

// run runs one of the host's programs; the error has the first line that it
// wrote.
func run(name string, args ...string) error {
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		first, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
		return fmt.Errorf("%s: %w %s", name, err, first)
	}
	return nil
}
