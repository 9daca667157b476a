package gobuild

import (
	"context"
	"debug/buildinfo"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// Toolchain is the go command that builds.
type Toolchain struct {
	// Path is the go command's.
	Path string
	// Version is Go's version in the form of a file name, for example "go1.26.0".
	Version string
}

// FindToolchain finds the go command in PATH and its version. The error wraps
// [exec.ErrNotFound] when there is none.
func FindToolchain(ctx context.Context) (Toolchain, error) {
	path, err := exec.LookPath("go")
	if err != nil {
		return Toolchain{}, fmt.Errorf("Go is needed to compile, and its go command is not in PATH: %w; "+
			"install Go 1.26.4 or later, or add its bin folder to PATH", exec.ErrNotFound)
	}
	version, err := goVersion(ctx, path)
	if err != nil {
		return Toolchain{}, err
	}
	// An experiment's version has a space in it: "go1.26.0 X:name".
	return Toolchain{Path: path, Version: strings.NewReplacer(" ", "+", ":", ".", ",", ".").Replace(version)}, nil
}

// goVersion reads the version out of the go command's file, which takes a
// millisecond. It asks the command when that may answer for another toolchain:
// when it is a wrapper script, or GOTOOLCHAIN is set.
func goVersion(ctx context.Context, path string) (string, error) {
	info, err := buildinfo.ReadFile(path)
	if choice := os.Getenv("GOTOOLCHAIN"); err == nil && (choice == "" || choice == "local") {
		return info.GoVersion, nil
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, path, "env", "GOVERSION")
	c.Dir = os.TempDir() // no go.mod of the caller's has a say
	out, err := c.Output()
	version := strings.TrimSpace(string(out))
	if err != nil || !strings.HasPrefix(version, "go") && !strings.HasPrefix(version, "devel") {
		return "", fmt.Errorf("ask %s for its version: it answered %q (%v); install Go 1.26.4 or later", path, version, err)
	}
	return version, nil
}
