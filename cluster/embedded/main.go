//go:build linux

package embedded

import (
	"fmt"
	"os"
)

// The names under which this executable is started to be a part of a cluster.
const (
	janitorName    = "squall-janitor"
	enterName      = "squall-enter"
	supervisorName = "squall-supervisor"
	nodeName       = "squall-node"
	imagesName     = "squall-images"
	probeName      = "squall-probe"
	insideName     = "squall-inside"
	servicesName   = "squall-services"
)

// Main runs the part of a cluster that args[0] names, if it names one, and
// returns its exit code. A program that makes embedded clusters calls it before
// anything else, since clusters are made by starting that program again.
func Main(args []string) (code int, handled bool) {
	parts := map[string]func([]string) error{
		janitorName:    janitor,
		enterName:      enter,
		supervisorName: supervisor,
		nodeName:       node,
		imagesName:     unpackImages,
		probeName:      probe,
		insideName:     inside,
		servicesName:   services,
	}
	part, ok := parts[args[0]]
	if !ok {
		return 0, false
	}
	if err := part(args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", args[0], err)
		return 1, true
	}
	return 0, true
}
