//go:build linux

package loopdisk

const (
	// blockSize is ext4's here; sizes are whole multiples, so that what is asked
	// for is what is there.
	blockSize = 4096
	// leastVolume is the smallest volume that is made: ext4 has fixed parts.
	leastVolume = 1 << 20
	// blockGroup is the size of ext4's groups of such blocks: as many as one
	// block has bits (mke2fs(8), -g).
	blockGroup = 8 * blockSize * blockSize
	// leastGroup is the smallest last group that is made here. mke2fs and
	// resize2fs leave one out that has too little beside its own tables:
	// at most 2048 blocks of inodes, 1024 for more groups, some bitmaps and 50
	// blocks (ext2fs_initialize in lib/ext2fs/initialize.c of e2fsprogs).
	leastGroup = 4096 * blockSize
)

// Size is how large a file must be so that the file system in it has so many
// bytes whatever its last group is.
func Size(asked int64) int64 {
	bytes := max(leastVolume, (asked+blockSize-1)/blockSize*blockSize)
	if last := bytes % blockGroup; bytes > blockGroup && last > 0 && last < leastGroup {
		bytes += leastGroup - last
	}
	return bytes
}
