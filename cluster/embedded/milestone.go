//go:build linux

package embedded

import (
	"fmt"
	"strings"
	"time"
)

// Milestone is a point that a cluster has reached on its way up.
type Milestone struct {
	After time.Duration // since the cluster's first process was started
	Node  string        // empty for the cluster as a whole
	What  string
}

// String is the milestone as a line for people.
func (m Milestone) String() string {
	return strings.TrimSpace(fmt.Sprintf("%.1fs %s: %s", m.After.Seconds(), m.Node, m.What))
}
