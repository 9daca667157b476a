package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

func read(args []string) error {
	for _, name := range args {
		content, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		fmt.Println(string(content))
	}
	return nil
}

func write(args []string) error {
	return os.WriteFile(argument(args, 0, ""), []byte(argument(args, 1, "")), 0o644)
}

func test(args []string) error {
	_, err := os.Stat(argument(args, 0, ""))
	return err
}

// stat says a file's mode, its group and how large its file system is.
func stat(args []string) error {
	name := argument(args, 0, "")
	info, err := os.Stat(name)
	var system syscall.Statfs_t
	if err := errors.Join(err, syscall.Statfs(name, &system)); err != nil {
		return err
	}
	said, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return fmt.Errorf("%s has no group here", name)
	}
	fmt.Printf("%v group %d on %d MiB\n", info.Mode(), said.Gid, int64(system.Blocks)*int64(system.Bsize)>>20)
	return nil
}

func chmod(args []string) error {
	mode, err := strconv.ParseUint(argument(args, 0, ""), 8, 9)
	if err != nil {
		return fmt.Errorf("a mode is wanted: %w", err)
	}
	return os.Chmod(argument(args, 1, ""), os.FileMode(mode))
}

func list(args []string) error {
	entries, err := os.ReadDir(argument(args, 0, "."))
	for _, e := range entries {
		fmt.Println(e.Name())
	}
	return err
}

// fill writes a file of so many MiB and says how far it came.
func fill(args []string) error {
	size, err := mebibytes(args, 1)
	if err != nil {
		return err
	}
	file, err := os.Create(argument(args, 0, ""))
	if err != nil {
		return err
	}
	block := make([]byte, 1<<20)
	written := 0
	for written < size && err == nil {
		var n int
		n, err = file.Write(block)
		written += n
	}
	err = errors.Join(err, file.Sync(), file.Close())
	if errors.Is(err, syscall.ENOSPC) {
		fmt.Println("no space left after", written>>20, "MiB")
		return nil
	}
	fmt.Println("wrote", written>>20, "MiB")
	return err
}

// once fails until somebody has made the file, which it does itself.
func once(args []string) error {
	name := argument(args, 0, "")
	if _, err := os.Stat(name); err == nil {
		fmt.Println("the second time")
		if argument(args, 2, "") == "stay" {
			return sleep(nil)
		}
		return nil
	}
	fmt.Println("the first time")
	code, err := strconv.Atoi(argument(args, 1, "1"))
	if err := errors.Join(err, os.WriteFile(name, nil, 0o644)); err != nil {
		return err
	}
	os.Exit(code)
	return nil
}

// processes prints the command line of every process that can be seen.
func processes([]string) error {
	entries, err := os.ReadDir("/proc")
	for _, e := range entries {
		if _, err := strconv.Atoi(e.Name()); err != nil {
			continue
		}
		line, err := os.ReadFile("/proc/" + e.Name() + "/cmdline")
		if err == nil && len(line) > 0 {
			fmt.Println(strings.ReplaceAll(strings.TrimRight(string(line), "\x00"), "\x00", " "))
		}
	}
	return err
}
