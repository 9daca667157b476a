package judge

import "squall/reports"

// restarts is how often containers of a workload's pods were restarted from the
// beginning to the end of what is looked at: of each pod the highest count that was
// seen up to the end, less the last that was seen before. A pod that came later
// began with none. That a pod was replaced is no restart.
func (v workloadView) restarts() (int64, *absence) {
	if _, gone := v.state(); gone != nil {
		return 0, gone
	}
	from, gone := v.run.beginning(v.over)
	if gone != nil {
		return 0, gone
	}
	to, gone := v.run.ending(v.over)
	if gone != nil {
		return 0, gone
	}
	total := int64(0)
	for _, pod := range v.run.pods {
		before, after := int64(0), int64(0)
		for _, state := range pod {
			switch {
			case state.Role != v.name || state.at > to:
			case state.at <= from:
				before, after = restartsOf(state.PodEntry), restartsOf(state.PodEntry)
			default:
				after = max(after, restartsOf(state.PodEntry))
			}
		}
		total += after - before
	}
	return total, nil
}

// restartsOf are those of a pod's containers. PodEntry.Restarts leaves out init
// containers; old records have nothing else.
func restartsOf(pod *reports.PodEntry) int64 {
	all := int64(0)
	for _, c := range pod.Containers {
		all += int64(c.Restarts)
	}
	return max(all, int64(pod.Restarts))
}
