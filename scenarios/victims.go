package scenarios

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"squall/chaos"
	"squall/workloads"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// Victims narrows what an entry's selector takes. One of the two is set.
type Victims struct {
	// Ordinal takes those that have this place among the pods of their role, by
	// age, or among the nodes of theirs.
	Ordinal *int `yaml:"ordinal,omitempty"`
	// Hosting takes the nodes that host such a pod at the moment.
	Hosting *Hosting `yaml:"hosting,omitempty"`
}

// Hosting selects pods of the workloads by their labels.
type Hosting struct {
	LabelSelectors map[string]string `yaml:"labelSelectors"`
}

// String is how a plan tells of the narrowing.
func (v *Victims) String() string {
	switch {
	case v == nil:
		return ""
	case v.Hosting != nil:
		var all []string
		for _, key := range slices.Sorted(maps.Keys(v.Hosting.LabelSelectors)) {
			all = append(all, key+"="+v.Hosting.LabelSelectors[key])
		}
		return "hosting " + strings.Join(all, ",")
	case v.Ordinal != nil:
		return "ordinal " + strconv.Itoa(*v.Ordinal)
	}
	return ""
}

// TakesOrdinal tells whether a pod or node of that place is among them.
func (v *Victims) TakesOrdinal(ordinal int) bool {
	return v == nil || v.Ordinal == nil || *v.Ordinal == ordinal
}

// TakesHost tells whether a node is among them, given the live pods of the
// scenario's namespace.
func (v *Victims) TakesHost(node string, pods []corev1.Pod) bool {
	if v == nil || v.Hosting == nil {
		return true
	}
	selector := labels.SelectorFromSet(v.Hosting.LabelSelectors)
	return slices.ContainsFunc(pods, func(p corev1.Pod) bool {
		ended := p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed
		return p.Spec.NodeName == node && p.DeletionTimestamp == nil && !ended && selector.Matches(labels.Set(p.Labels))
	})
}

// victims checks what narrows the victims of an entry.
func (c *checker) victims(at string, step Step) {
	here := at + ".victims"
	if !c.d.has(here) || !c.sound(here) {
		return
	}
	ordinal, hosting := c.d.has(here+".ordinal"), c.d.has(here+".hosting")
	if ordinal == hosting {
		c.report(here, "must have one of the two", "ordinal", "hosting")
		return
	}
	aim, err := step.Aim()
	switch {
	case err != nil: // said where that is written
		return
	case aim == nil:
		c.report(here, "narrows the victims of a fault or of a drain; this entry has none")
		return
	}
	if ordinal {
		c.ordinal(here+".ordinal", *step.Victims.Ordinal, aim, step.On())
		return
	}
	c.hosting(here+".hosting", *step.Victims.Hosting, aim, step.On())
}

// ordinal checks that somebody has the place.
func (c *checker) ordinal(at string, ordinal int, aim *chaos.Object, on bool) {
	most := 0
	if aim.HitsNodes() {
		if !c.sound("spec.cluster.workers") || !c.sound("spec.cluster.controlPlanes") {
			return
		}
		for _, node := range c.s.Spec.Cluster.FaultNodes() {
			if aim.MatchNodeTemplate(node) {
				most = max(most, node.Ordinal+1)
			}
		}
	} else {
		if !c.whole || !on {
			return
		}
		for _, role := range c.roles() {
			if aim.MatchTemplate(Template(role)) {
				most = max(most, role.Desired)
			}
		}
	}
	switch {
	case ordinal < 0:
		c.report(at, "places count from 0")
	case most > 0 && ordinal >= most:
		c.report(at, fmt.Sprintf("nothing that the selector takes has this place; the last one is %d", most-1))
	}
}

// hosting checks that a node can host what is looked for.
func (c *checker) hosting(at string, h Hosting, aim *chaos.Object, on bool) {
	switch {
	case !aim.HitsNodes():
		c.report(at, "narrows nodes by the pods that they host; "+aim.Describe()+" hits pods")
		return
	case !c.need(at+".labelSelectors", "{app: catalog}"):
		return
	case len(h.LabelSelectors) == 0:
		c.report(at+".labelSelectors", "is empty; write for example {app: catalog}")
		return
	case !on || !c.whole:
		return
	}
	roles, selector := c.roles(), labels.SelectorFromSet(h.LabelSelectors)
	if !slices.ContainsFunc(roles, func(r workloads.Role) bool { return selector.Matches(labels.Set(r.PodLabels)) }) {
		c.report(at+".labelSelectors", "selects no pod of the workloads that are switched on; they have "+rolesText(roles))
	}
}
