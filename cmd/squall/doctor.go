package main

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"syscall"

	"squall/cluster/embedded"
	"squall/workloads/image/gobuild"

	"github.com/spf13/cobra"
)

const doctorHelp = `Say what this host has of what Squall needs, and how to get what it lacks. Changes nothing.

Usage:
  squall doctor

Exit code 0 when embedded clusters can be made here and now, by this user; 3 when not.

Try it:
  sudo squall doctor
`

func (c *cli) doctor() *cobra.Command {
	cmd := &cobra.Command{
		Use:               "doctor",
		Args:              arguments(0, 0, "doctor"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              func(cmd *cobra.Command, _ []string) error { return c.examine(cmd.Context()) },
	}
	written(cmd, "say what this host has and lacks", doctorHelp)
	return cmd
}

// examine writes what is here and what is not.
func (c *cli) examine(ctx context.Context) error {
	cache, err := c.cache()
	if err != nil {
		return err
	}
	lacking := 0
	fmt.Fprintln(c.stdout, "embedded clusters need:")
	for _, f := range embedded.Facts(cache) {
		mark, way := "✓", ""
		if !f.OK {
			mark, way = "✗", "\n      → "+f.Way
			lacking++
		}
		fmt.Fprintf(c.stdout, "  %s %s%s\n", mark, f.What, way)
	}
	fmt.Fprintf(c.stdout, "\nthe Debian packages they need:\n  %s\n", embedded.PackagesLine())
	fmt.Fprintln(c.stdout, "\nto build components, which is needed once:")
	if tools, err := gobuild.FindToolchain(ctx); err != nil {
		fmt.Fprintf(c.stdout, "  ✗ Go\n      → install Go 1.26 or later; %v\n", err)
	} else {
		fmt.Fprintf(c.stdout, "  ✓ Go: %s, %s\n", tools.Version, tools.Path)
	}
	fmt.Fprintf(c.stdout, "\ncache:\n  %s: %s\n\ncomponents:\n", cache, gigabytes(folderSize(cache)))
	listComponents(func(name, version string) { fmt.Fprintf(c.stdout, "  %s %s\n", name, version) })
	if lacking > 0 {
		fmt.Fprintf(c.stdout, "\n%d missing: no embedded cluster can be made\n", lacking)
		return ended(exitInconclusive)
	}
	fmt.Fprintln(c.stdout, "\nall is here: embedded clusters can be made")
	return nil
}

// folderSize is how many bytes the files in a folder take, each counted once
// however many names it has.
func folderSize(folder string) float64 {
	var size float64
	type inode struct{ device, number uint64 }
	seen := map[inode]bool{}
	_ = filepath.WalkDir(folder, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return nil // what cannot be read is not counted
		}
		info, err := entry.Info()
		if err != nil {
			return nil
		}
		if stat, ok := info.Sys().(*syscall.Stat_t); ok {
			id := inode{uint64(stat.Dev), stat.Ino}
			if seen[id] {
				return nil
			}
			seen[id] = true
		}
		size += float64(info.Size())
		return nil
	})
	return size
}

func gigabytes(bytes float64) string { return fmt.Sprintf("%.1f GB", bytes/1e9) }
