// Package apt finds and fetches Debian packages with the apt of this machine,
// on state of its own: sources, lists and downloads are kept in folders that the
// caller gives, and the set of installed packages is empty. What apt and dpkg
// know about the machine is neither used nor changed.
//
// Mirrors, proxies, keyrings and credentials are those of the machine's own apt
// configuration. Signatures are always checked, even where that configuration
// says otherwise, and hooks of that configuration are not run.
//
// It does not unpack packages; see [squall/workloads/image/rootfs]. Apt's
// own programs are started with an argument list, never through a shell.
package apt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// commandTime is how long one run of apt may take; on a slow network an update
// or a download takes minutes.
const commandTime = 15 * time.Minute

// Package is one version of a Debian package.
type Package struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	// SHA256 is the .deb file's digest in hexadecimal.
	SHA256 string `json:"sha256"`
	// Size is the .deb file's, in bytes.
	Size int64 `json:"size"`
}

// String is the package as a lock or a message names it.
func (p Package) String() string { return p.Name + "=" + p.Version }

// Architecture is Debian's name for this machine's architecture.
func Architecture() (string, error) {
	switch runtime.GOARCH {
	case "amd64", "arm64": // the two names are Debian's as well
		return runtime.GOARCH, nil
	}
	return "", fmt.Errorf("images of Debian packages are made for amd64 and arm64; this machine is %s", runtime.GOARCH)
}

// output runs one of apt's programs to its end and returns what it wrote to
// its standard output. Config is the configuration file; empty means the
// machine's own. When ctx ends, the program and all that it started are killed;
// on Linux also when this process dies.
func output(ctx context.Context, config, dir string, argv ...string) (string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, commandTime, fmt.Errorf("no end after %v", commandTime))
	defer cancel()
	// The kernel ties a child's parent-death signal to the thread that made it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LC_ALL=C", "LANGUAGE=")
	if config != "" {
		// What apt leaves in its folder for temporary files when it is killed goes
		// with the session.
		cmd.Env = append(cmd.Env, "APT_CONFIG="+config, "TMPDIR="+filepath.Dir(config))
	}
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.SysProcAttr = ownGroup()
	cmd.Cancel = func() error { return killGroup(cmd.Process.Pid) }
	cmd.WaitDelay = 10 * time.Second
	err := cmd.Run()
	switch {
	case err == nil:
		return stdout.String(), nil
	case errors.Is(err, exec.ErrNotFound):
		return "", fmt.Errorf("%w: %q is not in PATH; install Debian's package apt, or use an archive or a registry as the image's source", ErrNoApt, argv[0])
	case ctx.Err() != nil:
		return "", fmt.Errorf("run %s: interrupted: %w", strings.Join(argv[:min(2, len(argv))], " "), context.Cause(ctx))
	}
	return "", &commandError{argv: argv, stdout: stdout.String(), stderr: stderr.String(), err: err}
}
