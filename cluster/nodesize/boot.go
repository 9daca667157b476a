//go:build linux

package nodesize

import (
	"crypto/rand"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// PresentBoot gives the node a boot ID of its own for as long as it is on. The
// kernel's is the host's and tells a kubelet nothing of a node's restart. The
// mount namespace must be the node's own.
func PresentBoot() error {
	const file = "/run/squall-boot_id"
	id := make([]byte, 16)
	_, _ = rand.Read(id) // never fails
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	text := fmt.Sprintf("%x-%x-%x-%x-%x\n", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
	if err := os.WriteFile(file, []byte(text), 0o444); err != nil {
		return fmt.Errorf("giving the node a boot ID: %w", err)
	}
	if err := unix.Mount(file, "/proc/sys/kernel/random/boot_id", "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("giving the node a boot ID: %w", err)
	}
	return nil
}
