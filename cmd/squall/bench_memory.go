package main

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// ownMemory is the resident memory, in MB, of this process with the janitors and
// supervisors that it started, and of the nodes' first processes. All are this
// same program; each is counted whole, though they share the program's pages.
func ownMemory() (idle, nodes float64) {
	family := []int{os.Getpid()}
	kilobytes := residentOf(os.Getpid())
	for i := 0; i < len(family); i++ {
		for _, child := range childrenOf(family[i]) {
			name, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(child), "cmdline"))
			switch {
			case strings.HasPrefix(string(name), "squall-node"):
				nodes += residentOf(child) + servicesOf(child)
			case strings.HasPrefix(string(name), "squall-"):
				family = append(family, child)
				kilobytes += residentOf(child)
			}
		}
	}
	return kilobytes / 1024, nodes / 1024
}

// servicesOf is the resident memory, in kB, of what Squall runs under a node's
// first process.
func servicesOf(node int) (kilobytes float64) {
	for _, child := range childrenOf(node) {
		name, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(child), "cmdline"))
		if strings.HasPrefix(string(name), "squall-") {
			kilobytes += residentOf(child)
		}
	}
	return kilobytes
}

// childrenOf are the processes that a process has started.
func childrenOf(pid int) []int {
	files, _ := filepath.Glob(filepath.Join("/proc", strconv.Itoa(pid), "task", "*", "children"))
	var children []int
	for _, file := range files {
		text, _ := os.ReadFile(file)
		for _, field := range strings.Fields(string(text)) {
			if child, err := strconv.Atoi(field); err == nil && !slices.Contains(children, child) {
				children = append(children, child)
			}
		}
	}
	return children
}

// residentOf is the resident memory of a process in kB; 0 when it has ended.
func residentOf(pid int) float64 {
	text, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "VmRSS:" {
			kb, _ := strconv.ParseFloat(fields[1], 64)
			return kb
		}
	}
	return 0
}
