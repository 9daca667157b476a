package nodeimage

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"squall/cluster/components"
	"squall/workloads/image"
	"squall/workloads/image/cache"
)

const baseRef = "squall.local/node-base:v1"

// basePackages are what a node needs of Debian: those of kind's base image
// (kind v0.33: images/base/Dockerfile) but what is for storage over networks and
// for rootless engines, and what its entrypoint runs.
func basePackages() []string {
	return []string{
		"systemd", "systemd-sysv", "bash", "dash", "coreutils", "util-linux", "mount", "grep", "sed", "gawk", "findutils", "hostname", "debianutils",
		"libc-bin", "login", "passwd", "tar", "gzip",
		"conntrack", "iptables", "nftables", "iproute2", "ethtool", "kmod", "libseccomp2", "e2fsprogs", "ca-certificates", "jq", "procps", "runc",
	}
}

// base makes the image that a node is before its own images are in it.
func (b Builder) base(ctx context.Context, parts image.Builder, tree components.Tree) (image.Image, error) {
	files, err := kindFiles(ctx, cache.Store{Dir: parts.Dir})
	if err != nil {
		return image.Image{}, err
	}
	own, err := ownFiles(tree)
	if err != nil {
		return image.Image{}, err
	}
	return parts.FromDebian(ctx, image.Debian{
		Ref: baseRef, Packages: basePackages(), Files: append(files, own...), Links: links(),
		Entrypoint: []string{"/usr/local/bin/entrypoint", "/sbin/init"},
		Env:        []string{"container=docker", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
		StopSignal: "SIGRTMIN+3",
	})
}

// ownFiles are what Squall adds: its compiled components, and files that kind's
// builder writes.
func ownFiles(tree components.Tree) ([]image.File, error) {
	var files []image.File
	program := func(from, to string) error {
		real, err := filepath.EvalSymlinks(from)
		if err == nil {
			_, err = os.Stat(real)
		}
		if err != nil {
			return fmt.Errorf("finding what nodes run: %w", err)
		}
		files = append(files, image.File{Path: to, Mode: 0o755, Source: real})
		return nil
	}
	for from, to := range map[string]string{
		tree.Path("kubelet"): "/usr/local/bin/kube", tree.Path("containerd"): "/usr/local/bin/containerd",
		tree.Path("containerd-shim-runc-v2"): "/usr/local/bin/containerd-shim-runc-v2", tree.Path("ctr"): "/usr/local/bin/ctr",
	} {
		if err := program(from, to); err != nil {
			return nil, err
		}
	}
	for _, name := range []string{"host-local", "loopback", "portmap", "ptp"} {
		if err := program(filepath.Join(tree.CNI(), name), "/opt/cni/bin/"+name); err != nil {
			return nil, err
		}
	}
	text := func(path, content string) {
		files = append(files, image.File{Path: path, Content: []byte(content)})
	}
	text("/kind/version", components.KubernetesVersion)
	text("/etc/systemd/journald.conf.d/10-kind.conf", "[Journal]\nReadKMsg=no\n")
	files = append(append(files, unitFiles()...), placeholderFiles()...)
	// kind's entrypoint chooses by it how iptables works. The packages' own
	// registry of alternatives is written by scripts that were not run.
	files = append(files, image.File{Path: "/usr/bin/update-alternatives", Mode: 0o755,
		Content: []byte("#!/bin/sh\n# update-alternatives --set NAME PATH, for the alternatives of this image.\nexec ln -sf \"$3\" \"/etc/alternatives/$2\"\n")})
	for _, folder := range []string{"/etc/kubernetes/manifests", "/var/lib/kubelet", "/var/log/squall", "/squall", "/run", "/tmp"} {
		files = append(files, image.File{Path: folder, Mode: fs.ModeDir | 0o755})
	}
	return files, nil
}

// The units that run Squall in a node. They do nothing where it is not mounted:
// the image works with kind alone, too.
const (
	prepareUnit = "squall-node-prepare.service"
	nodeUnit    = "squall-node.service"
)

// unitFiles are these units.
func unitFiles() []image.File {
	unit := func(name, text string) image.File {
		return image.File{Path: "/etc/systemd/system/" + name, Content: []byte(text)}
	}
	return []image.File{
		unit(prepareUnit, "[Unit]\nDescription=Squall: makes the node what it is to be\n"+
			"ConditionPathExists=/squall/bin/squall\nBefore=kubelet.service\n"+
			"[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/squall/bin/squall-node-prepare\n"),
		unit(nodeUnit, "[Unit]\nDescription=Squall: the network of pods and the node's own services\n"+
			"ConditionPathExists=/squall/bin/squall\nAfter="+prepareUnit+"\nStartLimitIntervalSec=0\n"+
			"[Service]\nRestart=always\nRestartSec=200ms\nExecStart=/squall/bin/squall-node\n"),
	}
}

// placeholderFiles are manifests for kind, which wants to create a network of pods
// and a provisioner of its own.
func placeholderFiles() []image.File {
	manifest := func(file, name, says string) image.File {
		return image.File{Path: "/kind/manifests/" + file, Content: []byte(fmt.Sprintf(
			"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s, namespace: kube-system}\ndata: {note: %q}\n", name, says))}
	}
	return []image.File{
		manifest("default-cni.yaml", "squall-network", "The network of pods is kept by the unit squall-node."),
		manifest("default-storage.yaml", "squall-storage", "The provisioner of volumes is part of the unit squall-node."),
	}
}

// links are what the packages' scripts, and kind's builder, would link: names of
// the one program that is every part of Kubernetes, the units that are started,
// and those that are not for a container.
func links() map[string]string {
	all := map[string]string{
		"/usr/bin/kubelet": "/usr/local/bin/kube", "/usr/bin/kubeadm": "/usr/local/bin/kube", "/usr/bin/kubectl": "/usr/local/bin/kube",
		"/usr/bin/awk": "/usr/bin/gawk", "/usr/bin/sh": "dash", "/usr/bin/which": "which.debianutils",
		"/etc/systemd/system/default.target": "/lib/systemd/system/multi-user.target",
		"/etc/alternatives/iptables":         "/usr/sbin/iptables-nft",
		"/etc/alternatives/ip6tables":        "/usr/sbin/ip6tables-nft",
	}
	for _, family := range []string{"iptables", "ip6tables"} {
		all["/usr/sbin/"+family] = "/etc/alternatives/" + family
		for _, verb := range []string{"save", "restore"} {
			all["/usr/sbin/"+family+"-"+verb] = "/usr/sbin/" + family + "-nft-" + verb
		}
	}
	for _, unit := range []string{"containerd.service", "kubelet.service", "undo-mount-hacks.service", prepareUnit, nodeUnit} {
		all["/etc/systemd/system/multi-user.target.wants/"+unit] = "/etc/systemd/system/" + unit
	}
	for _, unit := range []string{
		"systemd-binfmt.service", "systemd-tmpfiles-setup.service", "systemd-tmpfiles-clean.timer", "systemd-logind.service",
		"systemd-networkd-wait-online.service", "getty.target", "getty-static.service", "console-getty.service",
		"systemd-ask-password-wall.path", "systemd-ask-password-console.path", "systemd-update-utmp.service",
		"systemd-update-utmp-runlevel.service", "systemd-modules-load.service",
		"e2scrub_all.timer", "e2scrub_reap.service", "fstrim.timer", "dpkg-db-backup.timer", "apt-daily.timer",
		"systemd-hwdb-update.service", "systemd-firstboot.service", "systemd-sysusers.service", "nftables.service", "conntrackd.service",
		"systemd-pcrphase.service", "systemd-pcrphase-initrd.service", "systemd-pcrphase-sysinit.service",
	} {
		all["/etc/systemd/system/"+unit] = "/dev/null"
	}
	return all
}
