package judge

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"squall/reports"
)

// hpaChanges are the moments at which an autoscaler asked for another number of
// pods, or its bounds changed.
func (r *run) hpaChanges() (all []reports.Nearby) {
	for name, states := range r.hpas {
		var before hpaState
		for i, s := range states {
			what := ""
			switch {
			case i > 0 && s.Deleted && !before.Deleted:
				what = "deleted"
			case i > 0 && (s.Min != before.Min || s.Max != before.Max):
				what = fmt.Sprintf("%d to %d pods", s.Min, s.Max)
			case i > 0 && s.looked() && s.asks() != before.asks():
				what = fmt.Sprintf("asks for %d pods", s.asks())
				if by := metricsOf(s); by != "" {
					what += " (" + by + ")"
				}
			}
			if what != "" {
				all = append(all, reports.Nearby{At: s.at, What: "autoscaler " + name + ": " + what})
			}
			before = s
		}
	}
	return all
}

// maxAsked is how many changes of an autoscaler a report tells.
const maxAsked = 12

// scalings are what each autoscaler asked for, as the reports show it.
func (r *run) scalings() (all []reports.AutoscalerMeasure) {
	for _, name := range slices.Sorted(maps.Keys(r.hpas)) {
		states := r.hpas[name]
		last := states[len(states)-1]
		m := reports.AutoscalerMeasure{Name: name, Target: last.Target, Min: last.Min, Max: last.Max}
		asks := -1
		for _, s := range states {
			switch {
			case !s.looked() || s.asks() == asks:
				continue
			case len(m.Asked) == maxAsked:
				m.More++
			default:
				m.Asked = append(m.Asked, reports.Asked{At: s.at, Pods: s.asks(), By: metricsOf(s)})
			}
			asks = s.asks()
		}
		all = append(all, m)
	}
	return all
}

// metricsOf are the metrics that an autoscaler went by.
func metricsOf(s hpaState) string {
	var told []string
	for _, m := range s.Metrics {
		if m.Now != "" {
			told = append(told, fmt.Sprintf("%s %s of %s", m.Name, m.Now, m.Target))
		}
	}
	return strings.Join(told, ", ")
}
