package conformance

import (
	"context"
	"fmt"
	"io/fs"
	"strings"

	"squall/cluster/components"
	"squall/workloads/image"
)

// The names and tags under which the tests ask for images: test/utils/image/manifest.go
// of [Version]. Images that no conformance test names are not made.
const (
	registry        = "registry.k8s.io/"
	testImages      = registry + "e2e-test-images/"
	agnhostRef      = testImages + "agnhost:2.63.0"
	agnhostPrevRef  = testImages + "agnhost:2.55"
	busyboxRef      = testImages + "busybox:1.37.0-1"
	dnsRef          = testImages + "glibc-dns-testing:2.0.0"
	kittenRef       = testImages + "kitten:1.8"
	nautilusRef     = testImages + "nautilus:1.8"
	nginxRef        = testImages + "nginx:1.15-4"
	nginxNewRef     = testImages + "nginx:1.27-0"
	nonewprivsRef   = testImages + "nonewprivs:1.4"
	sampleServerRef = testImages + "sample-apiserver:1.29.2"
	etcdRef         = registry + "etcd:3.6.8-0"
	pauseRef        = registry + "pause:3.10.2"
)

// Images makes the images that the conformance tests name, or finds them in the
// cache, under upstream's names. Programs are those of [Build]; tree is the
// cluster's own. What is in them is built from the same modules as the tests, or
// comes from Debian packages: they stand for upstream's images, they are not them.
func Images(ctx context.Context, b image.Builder, programs Programs, tree components.Tree) ([]image.Image, error) {
	var images []image.Image
	for _, d := range debianImages(programs, tree) {
		made, err := b.FromDebian(ctx, d)
		if err != nil {
			return nil, fmt.Errorf("make an image for the conformance tests: %w", err)
		}
		images = append(images, made)
	}
	for _, binary := range []image.Binary{
		{Name: "pause", Ref: pauseRef, Path: tree.Path("pause")},
		{Name: "sample-apiserver", Ref: sampleServerRef, Path: programs.sampleAPIServer, User: "0:0"},
	} {
		made, err := b.FromBinary(ctx, binary)
		if err != nil {
			return nil, fmt.Errorf("make an image for the conformance tests: %w", err)
		}
		images = append(images, made)
	}
	return images, nil
}

// debianImages are the images that need more than one static program.
func debianImages(programs Programs, tree components.Tree) []image.Debian {
	nginx := image.Debian{
		Packages: []string{"nginx-light"},
		Files:    []image.File{{Path: "/etc/nginx/conf.d/default.conf", Content: []byte(nginxSite)}},
		Args:     []string{"nginx", "-g", "daemon off;"},
	}
	agnhost := agnhostImage(programs)
	return []image.Debian{
		named(agnhost, agnhostRef),
		named(agnhost, agnhostPrevRef),
		picture(programs, nautilusRef),
		picture(programs, kittenRef),
		named(nginx, nginxRef),
		named(nginx, nginxNewRef),
		{
			Ref: busyboxRef, Packages: []string{"busybox", "bash"}, Links: busyboxLinks(),
			Args: []string{"sh"},
		},
		{
			Ref: dnsRef, Packages: []string{"bash", "bind9-dnsutils", "coreutils", "libc-bin"},
			Links: map[string]string{"/usr/bin/sh": "bash"}, Args: []string{"bash"},
		},
		{
			Ref: etcdRef, Packages: []string{"base-files"},
			Files: []image.File{{Path: "/usr/local/bin/etcd", Mode: 0o755, Source: tree.Path("etcd")}},
			Args:  []string{"/usr/local/bin/etcd"},
		},
		{
			Ref: nonewprivsRef, Packages: []string{"base-files"},
			Files: []image.File{{Path: "/usr/local/bin/nnp", Mode: fs.ModeSetuid | 0o755, Source: programs.nonewprivs}},
			Args:  []string{"/usr/local/bin/nnp"},
		},
	}
}

func named(d image.Debian, ref string) image.Debian {
	d.Ref = ref
	return d
}

// agnhostImage is agnhost with the tools that tests run beside it
// (test/images/agnhost/Dockerfile).
func agnhostImage(programs Programs) image.Debian {
	certificate, key := porterCertificate()
	return image.Debian{
		Packages: []string{
			"bash", "bind9-dnsutils", "busybox", "coreutils", "curl", "diffutils", "findutils", "grep", "hostname", "iperf",
			"iproute2", "libc-bin", "mount", "netcat-openbsd", "procps", "sed", "util-linux",
		},
		Files: []image.File{
			{Path: "/agnhost", Mode: 0o755, Source: programs.agnhost},
			{Path: "/localhost.crt", Content: certificate},
			{Path: "/localhost.key", Content: key},
			{Path: "/uploads", Mode: fs.ModeDir | 0o755},
		},
		Links: map[string]string{
			"/agnhost-2": "agnhost",
			// What Debian's packages leave to update-alternatives.
			"/usr/bin/nc": "nc.openbsd", "/usr/bin/awk": "busybox", "/usr/bin/vi": "busybox",
			"/usr/bin/wget": "busybox", "/usr/bin/ping": "busybox", "/usr/bin/nslookup": "busybox",
			"/usr/bin/ifconfig": "busybox", "/usr/bin/route": "busybox", "/usr/bin/traceroute": "busybox",
			"/usr/bin/sh": "bash",
		},
		Users:      []image.Account{{Name: "user-defined-in-image", ID: 1000}},
		Entrypoint: []string{"/agnhost"},
		Args:       []string{"pause"},
	}
}

// picture is agnhost serving a file that says which image it is
// (test/images/nautilus and kitten, whose pictures no conformance test fetches).
func picture(programs Programs, ref string) image.Debian {
	name := "nautilus"
	if ref == kittenRef {
		name = "kitten"
	}
	return image.Debian{
		Ref: ref, Packages: []string{"base-files"},
		Files: []image.File{
			{Path: "/agnhost", Mode: 0o755, Source: programs.agnhost},
			{Path: "/data.json", Content: fmt.Appendf(nil, "{\n  \"image\": \"%s.jpg\"\n}\n", name)},
		},
		Entrypoint: []string{"/agnhost"},
		Args:       []string{"test-webserver"},
	}
}

// nginxSite is what Debian's package leaves to its maintainer script: a default site.
const nginxSite = "server {\n  listen 80 default_server;\n  root /usr/share/nginx/html;\n}\n"

// busyboxLinks are the names of busybox' tools. Tests call the shell by two names.
// As "/bin/sh" it is busybox', whose words one of them expects. As "sh", which is
// looked up in PATH, it is bash: Debian's busybox shell does not hand on environment
// variables whose names have dots or dashes in them, which Kubernetes allows.
func busyboxLinks() map[string]string {
	links := map[string]string{"/usr/bin/sh": "busybox", "/usr/bin/ash": "busybox", "/usr/local/bin/sh": "/usr/bin/bash"}
	for name := range strings.FieldsSeq(busyboxTools) {
		links["/usr/bin/"+name] = "busybox"
	}
	return links
}

const busyboxTools = `[ [[ arp arping awk base64 basename bc blkid cat chgrp chmod chown chroot clear cmp cp cut date dd df
	diff dirname dmesg dnsdomainname du echo egrep env expr false fgrep find fold free grep groups gunzip
	gzip head hexdump hostname httpd id ifconfig ip kill killall less ln logger losetup ls lsmod md5sum
	mkdir mkfifo mknod mktemp more mount mv nc netstat nproc nsenter nslookup od paste pidof ping ping6
	printf ps pwd readlink realpath renice rev rm rmdir route sed seq setsid sha1sum sha256sum sha512sum
	shuf sleep sort stat strings stty sync sysctl tac tail tar taskset tee telnet test tftp time timeout top
	touch tr traceroute true truncate tty udhcpc umount uname uniq unlink unshare unzip uptime usleep vi
	watch wc wget which who whoami xargs xxd xz yes zcat`
