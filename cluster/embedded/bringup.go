//go:build linux

package embedded

import (
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
)

// fragile are the programs of the control plane whose end during bring-up ends
// the bring-up: all else depends on them and they end for no passing reason.
// containerd is another, on each node.
var fragile = []string{"etcd", "kube-apiserver"}

// errControlPlane is wrapped by errors that say that the API never answered, for
// which the state that it started from may be the reason.
var errControlPlane = errors.New("the control plane did not come up")

// bringUp is what is known of a cluster that comes up.
type bringUp struct {
	missing map[string]bool // nodes on which DNS does not answer yet
	last    map[string]what // the last thing heard of each node
	ends    map[string]int  // how often a program has ended
}

// take learns from an event; the error says why the cluster cannot come up.
func (b *bringUp) take(e event) error {
	b.last[e.Node] = e.What
	switch e.What {
	case whatDNS:
		delete(b.missing, e.Node)
	case whatFailed:
		return errors.New(strings.TrimSpace(e.Node + " " + e.Status))
	case whatExited:
		b.ends[e.Node+" "+e.Program]++
		if e.Program == "containerd" {
			return fmt.Errorf("%s on %s: %s; its log ends:\n%s", e.Program, e.Node, e.Status, e.Tail)
		}
		if slices.Contains(fragile, e.Program) {
			return fmt.Errorf("%w: %s on %s: %s; its log ends:\n%s", errControlPlane, e.Program, e.Node, e.Status, e.Tail)
		}
		if b.ends[e.Node+" "+e.Program] >= 5 {
			return fmt.Errorf("%s on %s ends again and again: %s; its log ends:\n%s", e.Program, e.Node, e.Status, e.Tail)
		}
	}
	return nil
}

// describe says how far each node has come.
func (b *bringUp) describe() string {
	var parts []string
	for name := range b.missing {
		last := b.last[name]
		if last == "" {
			last = "nothing heard of it"
		}
		parts = append(parts, fmt.Sprintf("%s: %s", name, last))
	}
	sort.Strings(parts)
	return "not ready: " + strings.Join(parts, ", ")
}
