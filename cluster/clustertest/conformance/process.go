package conformance

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// The files in a batch's folder.
const (
	reportFile = "junit_01.xml" // framework/test_context.go: junit_<prefix>01.xml
	outputFile = "output.log"
)

// A batch of tests is told to end itself, which makes it write its report, after
// batchTimeout; some tests wait for up to a quarter of an hour. It is killed when
// it has not ended stopTimeout after that.
const (
	batchTimeout = 25 * time.Minute
	stopTimeout  = time.Minute
)

// start runs a process with the tests in it, to its end. The error says how it
// ended: failed tests make it end with 1.
func (j *job) start(ctx context.Context, folder string, tests []Test) error {
	output, err := os.Create(filepath.Join(folder, outputFile))
	if err != nil {
		return fmt.Errorf("make a file for the tests' output: %w", err)
	}
	defer output.Close()
	ctx, cancel := context.WithTimeout(ctx, batchTimeout+stopTimeout)
	defer cancel()
	// The kernel ties a child's parent-death signal to the thread that made it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd := exec.CommandContext(ctx, j.Programs.Tests, j.arguments(folder, tests)...)
	cmd.Dir, cmd.Env = folder, environment(folder)
	cmd.Stdout, cmd.Stderr = output, output
	cmd.SysProcAttr = contained()
	// Interrupted, it removes what its tests made and writes its report.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = stopTimeout
	return cmd.Run()
}

// arguments are the test program's (framework/test_context.go, and ginkgo's own).
func (j *job) arguments(folder string, tests []Test) []string {
	return []string{
		"--ginkgo.focus=" + focusOf(tests),
		"--ginkgo.no-color", "--ginkgo.silence-skips", "--ginkgo.v",
		"--ginkgo.timeout=" + batchTimeout.String(),
		"--kubeconfig=" + j.Kubeconfig,
		"--kubectl-path=" + j.Kubectl,
		"--provider=skeleton",
		"--report-dir=" + folder,
		"--e2e-output-dir=" + folder,
		"--dump-logs-on-failure=false", "--disable-log-dump",
	}
}

// environment is the caller's, with a home folder of the tests' own: kubectl keeps
// a cache in it, and reads settings from it.
func environment(folder string) []string {
	var env []string
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); name != "HOME" && name != "KUBECONFIG" && !strings.HasPrefix(name, "KUBE_TEST_") {
			env = append(env, v)
		}
	}
	return append(env, "HOME="+folder)
}

// longestOutput, in bytes, and mostLines bound how much of an output is quoted.
const (
	longestOutput = 600
	mostLines     = 10
)

// lastOutput quotes the end of an output, as part of a sentence: the file may be
// gone when somebody reads it.
func lastOutput(path string) string {
	const nothing = "it wrote nothing"
	file, err := os.Open(path)
	if err != nil {
		return nothing
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nothing
	}
	from := max(0, info.Size()-longestOutput)
	bytes, _ := io.ReadAll(io.NewSectionReader(file, from, longestOutput)) // what can be read is better than nothing
	text := strings.TrimSpace(strings.ToValidUTF8(string(bytes), ""))
	if text == "" {
		return nothing
	}
	lines := strings.Split(text, "\n")
	switch {
	case from > 0 && len(lines) > 1:
		lines = lines[1:] // it may have lost its beginning
	case from > 0:
		lines[0] = "… " + lines[0]
	}
	return "it wrote last:\n" + strings.Join(lines[max(0, len(lines)-mostLines):], "\n")
}
