package image_test

import (
	"archive/tar"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/validate"
	"github.com/stretchr/testify/require"

	"squall/workloads/image"
)

// debianBuilder keeps its cache beyond the test: what a mirror sent once is not
// fetched again.
func debianBuilder(t *testing.T) image.Builder {
	t.Helper()
	user, err := os.UserCacheDir()
	require.NoError(t, err)
	return image.Builder{Dir: filepath.Join(user, "squall", "images"), Progress: func(s string) { t.Log(s) }}
}

// root is an image unpacked into a folder, which programs are run in.
type root struct{ dir string }

func unpack(t *testing.T, img image.Image) root {
	t.Helper()
	require.Equal(t, 0, os.Geteuid(), "programs of images are run in a chroot: run this test as root")
	tag, err := name.NewTag(img.Ref)
	require.NoError(t, err)
	read, err := tarball.ImageFromPath(img.Archive, &tag)
	require.NoError(t, err)
	require.NoError(t, validate.Image(read))
	layers, err := read.Layers()
	require.NoError(t, err)
	r := root{dir: t.TempDir()}
	require.NoError(t, os.Chmod(r.dir, 0o755))
	for _, l := range layers {
		content, err := l.Uncompressed()
		require.NoError(t, err)
		in := tar.NewReader(content)
		for h, err := in.Next(); !errors.Is(err, io.EOF); h, err = in.Next() {
			require.NoError(t, err)
			require.NoError(t, r.place(h, in), h.Name)
		}
		require.NoError(t, content.Close())
	}
	// A file will do for what these programs do with it, and needs no right to
	// make devices.
	null := filepath.Join(r.dir, "dev/null")
	require.NoError(t, os.WriteFile(null, nil, 0o644))
	require.NoError(t, os.Chmod(null, 0o666))
	return r
}

func (r root) place(h *tar.Header, content io.Reader) error {
	path := filepath.Join(r.dir, h.Name)
	switch h.Typeflag {
	case tar.TypeDir:
		if err := os.MkdirAll(path, 0o755); err != nil {
			return err
		}
	case tar.TypeSymlink:
		return os.Symlink(h.Linkname, path)
	case tar.TypeLink:
		return os.Link(filepath.Join(r.dir, h.Linkname), path)
	case tar.TypeReg:
		out, err := os.Create(path)
		if err != nil {
			return err
		}
		if _, err := io.Copy(out, content); err != nil {
			return err
		}
		if err := out.Close(); err != nil {
			return err
		}
	}
	// Changing the owner clears setuid, so the mode comes second.
	return errors.Join(os.Chown(path, h.Uid, h.Gid), syscall.Chmod(path, uint32(h.Mode)))
}

// command is a program of the image as a user.
func (r root) command(ctx context.Context, uid uint32, argv ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "/proc/self/exe")
	cmd.Path, cmd.Args, cmd.Dir = argv[0], argv, "/"
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin", "LC_ALL=C"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: r.dir, Pdeathsig: syscall.SIGKILL, Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

func (r root) run(t *testing.T, uid uint32, argv ...string) string {
	t.Helper()
	out, err := r.command(t.Context(), uid, argv...).CombinedOutput()
	require.NoError(t, err, "%q said:\n%s", argv, out)
	return string(out)
}

// start runs a program, as the first process of a PID namespace so that nothing
// it starts outlives it, until the test ends.
func (r root) start(t *testing.T, uid uint32, argv ...string) {
	t.Helper()
	var said strings.Builder
	cmd := r.command(context.WithoutCancel(t.Context()), uid, argv...)
	cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWPID
	cmd.Stdout, cmd.Stderr = &said, &said
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%q said:\n%s", argv, said.String())
		}
	})
}

// freePort is a port of the loopback interface that nobody has.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	require.NoError(t, err)
	return port
}
