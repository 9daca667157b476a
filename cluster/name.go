package cluster

import (
	"errors"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
)

// ErrNotFound is wrapped by errors that say that no such cluster exists.
var ErrNotFound = errors.New("no such cluster")

// ErrExists is wrapped by errors that say that a cluster of that name is up
// already.
var ErrExists = errors.New("cluster exists")

// ErrSpec is wrapped by errors that say that no cluster can be made as the
// [Spec] asks: who asked has to ask otherwise.
var ErrSpec = errors.New("the cluster cannot be made as asked")

// ErrHost is wrapped by errors that say that the host cannot carry a cluster:
// it lacks something, or something on it ended the cluster. Nothing is proven
// then about the system under test, and nothing is wrong with Squall.
var ErrHost = errors.New("the host cannot carry a cluster")

// ErrNoNode is wrapped by errors that say that a cluster has no such node.
var ErrNoNode = errors.New("no such node")

// ErrUnsupported is wrapped by errors that say that a provider cannot do what
// was asked, here or at all.
var ErrUnsupported = errors.New("not supported")

// MaxName is the longest name of a cluster. Names go into paths of unix sockets
// and control groups, which have little room.
const MaxName = 20

// isUnitType tells whether a word is a type of systemd's units that have a
// control group (systemd.unit(5); src/core/unit.h, cgroup_context_offset). The
// control group of a cluster is called squall.NAME, as that of such a unit is.
func isUnitType(word string) bool {
	switch word {
	case "slice", "scope", "service", "socket", "mount", "swap":
		return true
	}
	return false
}

// CheckName returns an error that says what is wrong with a cluster's name.
func CheckName(name string) error {
	if faults := validation.IsDNS1123Label(name); len(faults) > 0 {
		return fmt.Errorf("the cluster name %q is not usable: %s", name, strings.Join(faults, "; "))
	}
	if len(name) > MaxName {
		return fmt.Errorf("the cluster name %q is too long: %d characters, at most %d", name, len(name), MaxName)
	}
	if isUnitType(name) {
		return fmt.Errorf("the cluster name %q is not usable: systemd calls the control group of a unit squall.%s; choose another name", name, name)
	}
	return nil
}
