package engine

import (
	"encoding/json"

	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// runtimeName is the name under which this program is an OCI runtime: runc
// without the capability that the host withholds. runc refuses to give it, so no
// privileged container would start.
const runtimeName = "squall-runc"

// withheld is that capability. Without it no hard limit can be raised and no OOM
// score lowered.
const withheld = "CAP_SYS_RESOURCE"

// Main is the OCI runtime when args[0] says so, and returns its exit code only
// when that fails: otherwise it has become runc.
func Main(args []string) (code int, handled bool) {
	if filepath.Base(args[0]) != runtimeName {
		return 0, false
	}
	err := becomeRunc(args[1:])
	fmt.Fprintf(os.Stderr, "%s: %v\n", runtimeName, err)
	return 1, true
}

// becomeRunc takes the capability out of what runc is about to read, and starts
// it in the place of this program.
func becomeRunc(args []string) error {
	if file, whole := processFile(args); file != "" {
		if err := dropIn(file, whole); err != nil {
			return fmt.Errorf("taking %s out of %s: %w", withheld, file, err)
		}
	}
	path, err := exec.LookPath("runc")
	if err != nil {
		return err
	}
	return syscall.Exec(path, append([]string{"runc"}, args...), os.Environ())
}

// processFile is the file that says what process to start: for create and run
// the whole specification in the bundle, for exec the process alone. Empty for
// all else that a runtime does.
func processFile(args []string) (file string, whole bool) {
	switch {
	case slices.Contains(args, "create") || slices.Contains(args, "run"):
		bundle := option(args, "--bundle", "-b")
		return filepath.Join(bundle, "config.json"), true
	case slices.Contains(args, "exec"):
		return option(args, "--process", "-p"), false
	}
	return "", false
}

// option is the value of an option among arguments; empty when it is not there.
func option(args []string, long, short string) string {
	for i, arg := range args {
		if value, ok := strings.CutPrefix(arg, long+"="); ok {
			return value
		}
		if (arg == long || arg == short) && i+1 < len(args) {
			return args[i+1]
		}
	}
	return ""
}

// dropIn takes the capability out of a file, and leaves all else as it is.
func dropIn(file string, whole bool) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var outer map[string]json.RawMessage
	if err := json.Unmarshal(b, &outer); err != nil {
		return err
	}
	process := outer
	if whole {
		process = map[string]json.RawMessage{}
		if err := json.Unmarshal(outer["process"], &process); err != nil {
			return err
		}
	}
	var sets map[string][]string
	if raw, ok := process["capabilities"]; ok {
		if err := json.Unmarshal(raw, &sets); err != nil {
			return err
		}
	}
	for name, set := range sets {
		sets[name] = slices.DeleteFunc(set, func(c string) bool { return c == withheld })
	}
	if process["capabilities"], err = json.Marshal(sets); err != nil {
		return err
	}
	if whole {
		if outer["process"], err = json.Marshal(process); err != nil {
			return err
		}
	}
	if b, err = json.Marshal(outer); err != nil {
		return err
	}
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	return os.WriteFile(file, b, info.Mode())
}
