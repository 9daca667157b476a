//go:build linux

package embedded

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"squall/cluster/hostroom"

	"golang.org/x/sys/unix"
)

// Paths inside a cluster's mount namespaces.
const (
	clusterDir    = "/squall"                  // the supervisor's own tmpfs
	componentsDir = clusterDir + "/components" // the component tree, read-only
	imagesDir     = clusterDir + "/images"     // the image stores, read-only
	preparedDir   = clusterDir + "/prepared"   // prepared state, read-only
	saveDir       = clusterDir + "/save"       // where a first start saves
	disksDir      = clusterDir + "/disks"      // the nodes' disks
)

// mount mounts and makes the mount point first.
func mount(source, target, kind string, flags uintptr, data string) error {
	if err := os.MkdirAll(target, 0o755); err != nil {
		return fmt.Errorf("making the mount point %s: %w", target, err)
	}
	if err := unix.Mount(source, target, kind, flags, data); err != nil {
		return fmt.Errorf("mounting %s on %s: %w", source, target, err)
	}
	return nil
}

// bindReadOnly binds a folder read-only, which takes two mounts.
func bindReadOnly(source, target string) error {
	if err := mount(source, target, "", unix.MS_BIND, ""); err != nil {
		return err
	}
	if err := unix.Mount("", target, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		return fmt.Errorf("making %s read-only: %w", target, err)
	}
	return nil
}

// mountRoot gives the supervisor a root of its own: the host's files below, a
// tmpfs above. Nothing written reaches the host's disk, and all of it goes with
// the mount namespace.
func mountRoot(cfg config) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("leaving the host's mounts: %w", err)
	}
	memory, err := hostroom.ReadMemory()
	if err != nil {
		return err
	}
	stage := filepath.Join(cfg.Folder, "stage")
	if err := mount("squall", stage, "tmpfs", 0, fmt.Sprintf("mode=755,size=%d", diskSize(memory))); err != nil {
		return err
	}
	dir := func(name string) string { return filepath.Join(stage, name) }
	for _, d := range []string{"upper", "work", "data"} {
		if err := os.Mkdir(dir(d), 0o755); err != nil {
			return err
		}
	}
	root := dir("root")
	steps := []func() error{
		func() error {
			return mount("overlay", root, "overlay", 0, "lowerdir=/,upperdir="+dir("upper")+",workdir="+dir("work"))
		},
		func() error { return bindSeparate(root) },
		func() error { return mount(dir("data"), root+clusterDir, "", unix.MS_BIND, "") },
		func() error { return mount("/dev", root+"/dev", "", unix.MS_BIND|unix.MS_REC, "") },
		func() error { return mount("proc", root+"/proc", "proc", 0, "") },
		func() error { return bindReadOnly(cfg.Components, root+componentsDir) },
		func() error { return bindReadOnly(cfg.Stores, root+imagesDir) },
		func() error { return mount(cfg.Volumes, root+backingDir, "", unix.MS_BIND, "") },
	}
	if cfg.Prepared != "" {
		steps = append(steps, func() error { return bindReadOnly(cfg.Prepared, root+preparedDir) })
	}
	if cfg.SaveTemp != "" {
		steps = append(steps, func() error { return mount(filepath.Dir(cfg.SaveTo), root+saveDir, "", unix.MS_BIND, "") })
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return pivot(root)
}

// pivot makes root the root and lets the old one go.
func pivot(root string) error {
	old := root + "/.old"
	if err := os.MkdirAll(old, 0o700); err != nil {
		return err
	}
	if err := unix.PivotRoot(root, old); err != nil {
		return fmt.Errorf("changing the root: %w", err)
	}
	if err := unix.Chdir("/"); err != nil {
		return err
	}
	if err := unix.Unmount("/.old", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("leaving the old root: %w", err)
	}
	return mountVolatile()
}

// mountVolatile mounts what a machine has empty at each start.
func mountVolatile() error {
	for _, d := range []string{"/run", "/tmp", "/dev/shm"} {
		mode := "mode=755"
		if d != "/run" {
			mode = "mode=1777"
		}
		if err := mount("squall", d, "tmpfs", 0, mode); err != nil {
			return err
		}
	}
	return nil
}

// mountSys mounts /sys for this network namespace, and the control groups as
// this cgroup namespace sees them: the own group is the root.
func mountSys(g groups) error {
	if err := mount("sysfs", "/sys", "sysfs", 0, ""); err != nil {
		return err
	}
	if g.Version == 2 {
		return mount("cgroup2", g.Hierarchies[0].Dir, "cgroup2", 0, "")
	}
	if err := mount("cgroup", "/sys/fs/cgroup", "tmpfs", 0, "mode=755"); err != nil {
		return err
	}
	for _, h := range g.Hierarchies {
		if err := mount("cgroup", h.Dir, "cgroup", 0, h.Options); err != nil {
			return err
		}
		if err := linkControllers(h.Dir); err != nil {
			return err
		}
	}
	return nil
}

// linkControllers makes a hierarchy of several controllers, "cpu,cpuacct",
// known by each one's name, as systemd does.
func linkControllers(dir string) error {
	base := filepath.Base(dir)
	if !strings.Contains(base, ",") {
		return nil
	}
	for name := range strings.SplitSeq(base, ",") {
		if err := os.Symlink(base, filepath.Join(filepath.Dir(dir), name)); err != nil {
			return fmt.Errorf("naming the control groups of %s: %w", name, err)
		}
	}
	return nil
}

// kubeletTunables are the settings that a kubelet demands of the kernel (v1.36:
// pkg/kubelet/cm/container_manager_linux.go, setupKernelTunables). They belong
// to no namespace: a kubelet that could write them would change the host.
var kubeletTunables = map[string]string{
	"vm/overcommit_memory":      "1",
	"vm/panic_on_oom":           "0",
	"kernel/panic":              "10",
	"kernel/panic_on_oops":      "1",
	"kernel/keys/root_maxkeys":  "1000000",
	"kernel/keys/root_maxbytes": "25000000",
}

// shieldKernel puts a file in the place of each of the kernel's settings that a
// kubelet would change. It finds the values that it wants and writes nothing;
// what else is written there stays in the node.
func shieldKernel() error {
	for name, value := range kubeletTunables {
		file := filepath.Join("/run/squall-sysctl", strings.ReplaceAll(name, "/", "."))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, []byte(value+"\n"), 0o644); err != nil {
			return err
		}
		if err := unix.Mount(file, filepath.Join("/proc/sys", name), "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("shielding the host's %s: %w", name, err)
		}
	}
	return nil
}

// hideState takes what is not a node's away from it: the files behind volumes,
// and prepared state, which holds every key, from all but the control plane,
// which starts from it and saves it.
func hideState(n nodeConfig) error {
	hidden := []string{backingDir}
	if !n.ControlPlane {
		hidden = append(hidden, preparedDir, saveDir)
	}
	for _, dir := range hidden {
		// What is not mounted there is no mount point, or is not there at all.
		err := unix.Unmount(dir, unix.MNT_DETACH)
		if err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("taking %s from the node: %w", dir, err)
		}
	}
	return nil
}

// mountNode turns a copy of the supervisor's mounts into a node's: its own
// volatile folders, its own disk.
func mountNode(n nodeConfig, g groups) error {
	// What the supervisor mounts as a volume is seen here, and nothing that is
	// mounted here there.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
		return fmt.Errorf("leaving the supervisor's mounts: %w", err)
	}
	if err := hideState(n); err != nil {
		return err
	}
	// kubelet wants mounts to propagate into containers.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SHARED, ""); err != nil {
		return fmt.Errorf("sharing the node's mounts: %w", err)
	}
	if err := mount("proc", "/proc", "proc", 0, ""); err != nil {
		return err
	}
	if err := mountVolatile(); err != nil {
		return err
	}
	if err := mountSys(g); err != nil {
		return err
	}
	if err := shieldKernel(); err != nil {
		return err
	}
	if err := os.MkdirAll(nodeVolumes(n.Name), 0o755); err != nil {
		return err
	}
	for _, d := range []string{"/var/lib/kubelet", "/var/lib/containerd", "/var/lib/cni", "/var/lib/etcd", "/var/log"} {
		disk := filepath.Join(disksDir, n.Name, d)
		if err := os.MkdirAll(disk, 0o755); err != nil {
			return err
		}
		if err := mount(disk, d, "", unix.MS_BIND, ""); err != nil {
			return err
		}
	}
	return nil
}
