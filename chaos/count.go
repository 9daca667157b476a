package chaos

import (
	"math"
	"strconv"

	"github.com/chaos-mesh/chaos-mesh/api/v1alpha1"
)

// Count says how many of the live candidates a fault hits. [Object.Count]
// makes it before there is a cluster, [Count.Of] answers once there is one.
type Count struct {
	// Mode is Chaos Mesh's: one, all, fixed, fixed-percent, random-max-percent.
	Mode string
	// Pods is the number of victims for one and fixed, else 0.
	Pods int
	// Percent is the share for fixed-percent, and the share drawn for
	// random-max-percent, 0 to 100; else 0.
	Percent int
}

// Mode is the object's mode and value as written; value is empty for the modes
// one and all.
func (o *Object) Mode() (mode, value string) {
	if o.node != nil {
		return string(o.node.Spec.Mode), o.node.Spec.Value
	}
	return string(o.pod.Spec.Mode), o.pod.Spec.Value
}

// Count fixes how many candidates are hit. Draw returns a number from 0 to
// n-1, each as likely; it is called once, and only for random-max-percent,
// where the share is drawn from 0 to the maximum, both included, as Chaos Mesh
// does it. A share of 0 hits nobody.
func (o *Object) Count(draw func(n int) int) Count {
	mode, value := o.Mode()
	n, err := strconv.Atoi(value)
	if err != nil {
		n = 0 // no value; Decode let no bad one through
	}
	count := Count{Mode: mode}
	switch v1alpha1.SelectorMode(mode) {
	case v1alpha1.OneMode:
		count.Pods = 1
	case v1alpha1.FixedMode:
		count.Pods = n
	case v1alpha1.FixedPercentMode:
		count.Percent = n
	case v1alpha1.RandomMaxPercentMode:
		count.Percent = draw(n + 1)
	}
	return count
}

// Of is how many of the live candidates are hit: never more than there are,
// and a share is rounded up, as in Chaos Mesh's pkg/selector/generic.
func (c Count) Of(live int) int {
	switch v1alpha1.SelectorMode(c.Mode) {
	case v1alpha1.AllMode:
		return live
	case v1alpha1.OneMode, v1alpha1.FixedMode:
		return min(c.Pods, live)
	case v1alpha1.FixedPercentMode, v1alpha1.RandomMaxPercentMode:
		return int(math.Ceil(float64(live) * float64(c.Percent) / 100))
	}
	return 0
}
