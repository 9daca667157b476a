package kind

import (
	"fmt"
	"os"
	"path/filepath"
)

// Main runs the part of a cluster that args[0] names, if it names one, and
// returns its exit code. A program that makes clusters of containers calls it
// before anything else: clusters are made by starting that program again, on the
// host and in nodes.
func Main(args []string) (code int, handled bool) {
	parts := map[string]func([]string) error{
		makeName:    makeContainers,
		commandName: kindCommand,
		keeperName:  keeper,
		prepareName: prepareNode,
		nodeName:    runNode,
		execName:    execInNode,
		askName:     answer,
	}
	name := filepath.Base(args[0])
	part, ok := parts[name]
	if !ok {
		return 0, false
	}
	if err := part(args[1:]); err != nil {
		var end exitStatus
		if asStatus(err, &end) {
			return end.code(), true
		}
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		return 1, true
	}
	return 0, true
}
