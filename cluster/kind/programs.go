package kind

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// The names under which this executable is started to be a part of a cluster:
// on the host, and in nodes.
const (
	makeName    = "squall-kind-make"
	commandName = "squall-kind-command"
	keeperName  = "squall-kind-keeper"
	prepareName = "squall-node-prepare"
	nodeName    = "squall-node"
	execName    = "squall-node-exec"
	askName     = "squall-node-ask"
)

// linuxProgram is this program as nodes, which are Linux, can run it.
func linuxProgram() (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("finding this program: %w", err)
	}
	if runtime.GOOS == "linux" {
		return self, nil
	}
	other := filepath.Join(filepath.Dir(self), "squall-linux-"+runtime.GOARCH)
	if _, err := os.Stat(other); err != nil {
		return "", fmt.Errorf("nodes run squall for Linux, which is not beside this program: %w; build it with \"GOOS=linux CGO_ENABLED=0 go build -o %s ./cmd/squall\"", err, other)
	}
	return other, nil
}

// keepProgram puts this program, under the names of its parts, and the units'
// drop-ins into a folder in the cache that is named after its content: nodes
// mount it, and find it again when they are started after this program was built
// anew.
func keepProgram(cache string) (string, error) {
	program, err := linuxProgram()
	if err != nil {
		return "", err
	}
	from, err := os.Open(program)
	if err != nil {
		return "", err
	}
	defer from.Close()
	h := sha256.New()
	if _, err := io.Copy(h, from); err != nil {
		return "", fmt.Errorf("reading %s: %w", program, err)
	}
	for _, d := range dropIns() {
		fmt.Fprintf(h, "%q", d)
	}
	root := filepath.Join(cache, "kind", "programs")
	folder := filepath.Join(root, hex.EncodeToString(h.Sum(nil)[:8]))
	if _, err := os.Stat(folder); err == nil {
		return folder, nil
	}
	if err := os.MkdirAll(root, 0o755); err != nil {
		return "", fmt.Errorf("making the folder for the nodes' programs: %w", err)
	}
	temp, err := os.MkdirTemp(root, ".making-*")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(temp)
	if err := fillPrograms(temp, from); err != nil {
		return "", fmt.Errorf("keeping the nodes' programs: %w", err)
	}
	if err := os.Rename(temp, folder); err != nil && !errors.Is(err, fs.ErrExist) { // another was first
		return "", fmt.Errorf("keeping the nodes' programs: %w", err)
	}
	return folder, nil
}

func fillPrograms(folder string, from io.ReadSeeker) error {
	if err := os.Chmod(folder, 0o755); err != nil {
		return err
	}
	if _, err := from.Seek(0, io.SeekStart); err != nil {
		return err
	}
	to, err := os.OpenFile(filepath.Join(folder, "squall"), os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o755)
	if err != nil {
		return err
	}
	if _, err := io.Copy(to, from); err != nil {
		return errors.Join(err, to.Close())
	}
	if err := to.Close(); err != nil {
		return err
	}
	for _, name := range []string{prepareName, nodeName, execName, askName} {
		if err := os.Symlink("squall", filepath.Join(folder, name)); err != nil {
			return err
		}
	}
	for _, d := range dropIns() {
		if err := os.WriteFile(filepath.Join(folder, d.Name), []byte(d.Text), 0o644); err != nil {
			return err
		}
	}
	return nil
}
