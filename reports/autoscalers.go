package reports

import (
	"fmt"
	"strings"
)

// AutoscalerMeasure is what an autoscaler asked for over a run, for the reports.
type AutoscalerMeasure struct {
	Name   string `json:"name"`
	Target string `json:"target"` // kind/name
	Min    int    `json:"min"`    // its bounds, as they were last
	Max    int    `json:"max"`
	// Asked are the numbers of pods that it asked for, each from when on; More is
	// how many further changes are left out.
	Asked []Asked `json:"asked,omitempty"`
	More  int     `json:"more,omitempty"`
}

// Asked is a number of pods that an autoscaler asks for from At on.
type Asked struct {
	At   Offset `json:"at"`
	Pods int    `json:"pods"`
	By   string `json:"by,omitempty"` // its metrics then: "cpu 140% of 60%"
}

// autoscalers writes a line for each.
func (t *text) autoscalers(all []AutoscalerMeasure) {
	for _, a := range all {
		head := fmt.Sprintf("autoscaler %s · %d to %d pods of %s", clean(a.Name), a.Min, a.Max, clean(a.Target))
		if len(a.Asked) == 0 {
			t.para(2, head+" · never looked", yellow)
			continue
		}
		var asked []string
		for i, one := range a.Asked {
			says := fmt.Sprint(one.Pods)
			if i > 0 {
				says += " at " + Duration(one.At)
				if one.By != "" {
					says += " (" + clean(one.By) + ")"
				}
			}
			asked = append(asked, says)
		}
		if a.More > 0 {
			asked = append(asked, fmt.Sprintf("and %d more changes", a.More))
		}
		t.para(2, head+" · asked for "+strings.Join(asked, ", "), plain)
	}
}
