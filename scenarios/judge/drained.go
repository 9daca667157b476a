package judge

import "squall/reports"

// drained is the time from the injection until no pod that a drain has to move is
// left on any of its nodes, while they are cordoned.
func (w *window) drained() (reports.Offset, *absence) {
	if w.step == nil {
		return 0, w.gone
	}
	if !w.step.drains || len(w.step.victims) == 0 {
		return 0, absent("event %q drained no node", w.step.name)
	}
	last := reports.Offset(0)
	for _, v := range w.step.victims {
		at, gone := w.run.emptied(v.Node, w.step.injected)
		if gone != nil {
			return 0, gone
		}
		last = max(last, at)
	}
	return w.run.since(w.step, last)
}

// emptied is when a node was first without pods to move after it was cordoned, not
// before an offset; [reports.Never] when it took pods again before that.
func (r *run) emptied(node string, from reports.Offset) (reports.Offset, *absence) {
	tenants := r.tenants[node]
	if len(tenants) == 0 {
		return 0, absent("the record does not show which pods were on node %q", node)
	}
	cordoned, open, known := r.cordoned(node, from)
	if !known {
		return 0, absent("the record does not show that node %q was cordoned", node)
	}
	for i, s := range tenants {
		ended := i+1 < len(tenants) && tenants[i+1].compare(cordoned) <= 0
		at := s.place
		if at.compare(cordoned) < 0 {
			at = cordoned
		}
		if !ended && len(s.Evictable) == 0 && at.compare(open) < 0 {
			return at.at, nil
		}
	}
	return reports.Never, nil
}

// cordoned is from where to where a node took no pods: the first such stretch that
// begins not before an offset.
func (r *run) cordoned(node string, from reports.Offset) (begins, ends place, known bool) {
	for _, s := range r.nodes[node] {
		switch {
		case s.at < from:
		case !known && s.Unschedulable:
			begins, known = s.place, true
		case known && !s.Unschedulable:
			return begins, s.place, true
		}
	}
	return begins, place{at: reports.Never}, known
}
