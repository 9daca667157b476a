//go:build linux

package loopdisk

import (
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestVolumeHasWhatWasAsked: a file system that was made or grown has no less
// than was asked for, wherever its last group ends.
func TestVolumeHasWhatWasAsked(t *testing.T) {
	file := filepath.Join(t.TempDir(), "disk")
	run := func(name string, args ...string) {
		out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	blocks := func() int64 {
		f, err := os.Open(file)
		require.NoError(t, err)
		defer f.Close()
		var count [4]byte
		_, err = f.ReadAt(count[:], 1024+4) // s_blocks_count_lo (Linux, fs/ext4/ext4.h)
		require.NoError(t, err)
		return int64(binary.LittleEndian.Uint32(count[:]))
	}
	for _, first := range []int64{1, leastVolume, blockGroup - 1, blockGroup, 4*blockGroup + 1, 4*blockGroup + 300*blockSize} {
		for _, more := range []int64{0, 1, 300 * blockSize, 1600 * blockSize} {
			grown := (first/blockGroup+2)*blockGroup + more
			t.Run(fmt.Sprintf("%d to %d", first, grown), func(t *testing.T) {
				require.NoError(t, os.RemoveAll(file))
				require.NoError(t, os.WriteFile(file, nil, 0o600))
				require.NoError(t, os.Truncate(file, Size(first)))
				run("mkfs.ext4", mkfsArgs(file)...)
				assert.GreaterOrEqual(t, blocks()*blockSize, first)
				require.NoError(t, os.Truncate(file, Size(grown)))
				run("resize2fs", file)
				assert.GreaterOrEqual(t, blocks()*blockSize, grown)
			})
		}
	}
}
