package judge_test

import (
	"fmt"
	"slices"
	"time"

	"squall/reports"
)

// eventTruths are the measures of the event and of the workloads.
func (s *script) eventTruths() []truth {
	on := `event("kill").`
	impaired := time.Duration(0)
	if s.lasting {
		impaired = reports.Never
		if s.undone >= 0 {
			impaired = s.undone - s.killed
		}
	}
	last := s.bystander[min(len(s.bystander), int(s.starts["down"]/sec))-1]
	node := s.node[min(len(s.node), int(s.starts["down"]/sec))-1]
	restarts := 0
	for _, moments := range s.restarts {
		for _, at := range moments {
			if at > s.starts["warmup"] && at <= s.starts["down"] {
				restarts++
			}
		}
	}
	return []truth{
		{"workload.restarts", `workload("gateway").restarts`, func() string { return fmt.Sprint(restarts) }},
		{"node.ready", `node("worker-1").ready`, func() string { return fmt.Sprint(node.Ready && !node.Deleted) }},
		{"node.schedulable", `node("worker-1").schedulable`, func() string { return fmt.Sprint(!node.Unschedulable && !node.Deleted) }},
		{"event.happened", on + "happened", func() string { return fmt.Sprint(s.bitten) }},
		{"event.injected", `event("third").injected`, func() string { return fmt.Sprint(s.third) }},
		{"event.undone", on + "undone", func() string {
			if !s.lasting {
				return "absent"
			}
			return fmt.Sprint(s.undone >= 0)
		}},
		{"event.impaired", on + "impaired", func() string { return duration(impaired) }},
		{"event.healed", on + "healed", func() string { return s.healed() }},
		{"event.detected", on + "detected", func() string { return s.detected() }},
		{"event.withdrawn", on + "withdrawn", func() string { return s.withdrawn() }},
		{"event.rolled", `event("second").rolled`, func() string { return s.rolled() }},
		{"event.drained", `event("drain").drained`, func() string { return s.drained() }},
		{"event.recovery", on + "recovery", func() string { return s.recovery(s.loads) }},
		{"event.recovery", `load("browse").` + on + "recovery", func() string { return s.recovery(s.loads[:1]) }},
		{"workload.ready", `workload("gateway").ready`, func() string { return fmt.Sprint(last.Ready) }},
		{"workload.pods", `workload("gateway").pods`, func() string { return fmt.Sprint(last.Pods) }},
		{"workload.desired", `workload("gateway").desired`, func() string { return fmt.Sprint(last.Desired) }},
		{"workload.ready", `workload("catalog").ready`, func() string { return fmt.Sprint(s.ready("catalog", s.starts["down"])) }},
	}
}

// workloadTruths are the measures of a workload in a window.
func (s *script) workloadTruths(w span) []truth {
	on := w.expr + `.workload("gateway").`
	// at is the state at a moment; they are one a second, from 1 s on.
	at := func(when time.Duration) reports.WorkloadEntry {
		return s.bystander[min(len(s.bystander), int(when/sec))-1]
	}
	extreme := func(better func(a, b int) int) func() string {
		return func() string {
			found := at(w.from).Ready
			for when := w.from; when <= w.to; when += tick {
				found = better(found, at(when).Ready)
			}
			return fmt.Sprint(found)
		}
	}
	restarts := 0
	for _, moments := range s.restarts {
		for _, when := range moments {
			if when > w.from && when <= w.to {
				restarts++
			}
		}
	}
	cpu := func(p reports.PodUsage) float64 { return p.CPU }
	memory := func(p reports.PodUsage) float64 { return float64(p.Memory) }
	highest := func(figure func(reports.PodUsage) float64) func() string {
		return func() string {
			all := s.used(w, figure)
			if len(all) == 0 {
				return "absent"
			}
			return fmt.Sprintf("%.9g", slices.Max(all))
		}
	}
	mean := func(figure func(reports.PodUsage) float64) func() string {
		return func() string {
			sum, all := 0.0, s.used(w, figure)
			if len(all) == 0 {
				return "absent"
			}
			for _, one := range all {
				sum += one
			}
			return fmt.Sprintf("%.9g", sum/float64(len(all)))
		}
	}
	return []truth{
		{"workload.cpu", on + "cpu.max", highest(cpu)},
		{"workload.memory", on + "memory.mean", mean(memory)},
		{"usage.max", on + "memory.max", highest(memory)},
		{"usage.mean", on + "cpu.mean", mean(cpu)},
		{"window.workload(w)", on + "pods", func() string { return fmt.Sprint(at(w.to).Pods) }},
		{"workload.least", on + "least", extreme(func(a, b int) int { return min(a, b) })},
		{"workload.most", on + "most", extreme(func(a, b int) int { return max(a, b) })},
		{"workload.restarts", on + "restarts", func() string { return fmt.Sprint(restarts) }},
	}
}

// used is what gateway used by each round that counts.
func (s *script) used(w span, figure func(reports.PodUsage) float64) (all []float64) {
	for when, round := range s.usage {
		sum, told, whole := 0.0, false, when >= w.from && when <= w.to
		for _, e := range round {
			for uid, moments := range s.restarts {
				// It is ready from its first entry on.
				if e.Unread != "" && nodeOf(uid) == e.Node && len(moments) > 0 && moments[0] <= when {
					whole = false
				}
			}
			for _, p := range e.Pods {
				if p.Role == "gateway" {
					sum, told = sum+figure(p), true
				}
			}
		}
		if whole && told {
			all = append(all, sum)
		}
	}
	return all
}

func (s *script) healed() string {
	lost := map[string]time.Duration{}
	for _, v := range s.losses {
		if v.seen < 0 {
			return "absent"
		}
		lost[v.role] = max(lost[v.role], v.seen)
	}
	longest := time.Duration(0)
	for role, from := range lost {
		at := from
		for s.ready(role, at) < 3 {
			if at += tick; at > s.starts["down"] {
				return "never"
			}
		}
		longest = max(longest, at-s.killed)
	}
	return duration(longest)
}

func (s *script) detected() string {
	first := reports.Never
	for _, v := range s.losses {
		if v.seen >= 0 {
			first = min(first, v.seen-s.killed)
		}
	}
	return duration(first)
}

func (s *script) withdrawn() string {
	last := time.Duration(0)
	for _, v := range s.losses {
		if v.withdrawn < 0 {
			return "never"
		}
		last = max(last, v.withdrawn-s.killed)
	}
	return duration(last)
}

func (s *script) recovery(loads []string) string {
	origin := s.killed
	if s.lasting {
		if s.undone < 0 {
			return "never"
		}
		origin = s.undone
	}
	longest := time.Duration(0)
	for _, load := range loads {
		took, ok := recovered(within(s.hits[load], s.killed, s.starts["quiet"]), origin, s.starts["quiet"])
		if !ok {
			return "absent"
		}
		longest = max(longest, took)
	}
	return duration(longest)
}

// recovered is the recovery of one load, from its requests since the injection.
func recovered(hits []hit, origin, to time.Duration) (took time.Duration, ok bool) {
	if count(hits, "good")+count(hits, "bad") == 0 {
		return 0, false
	}
	if count(hits, "bad") == 0 {
		return 0, true
	}
	well := func(from, to time.Duration) bool {
		some := within(hits, from, to)
		goods, lost := count(some, "good"), count(some, "bad")
		return 100*goods >= 99*(goods+lost)
	}
	lastIll := time.Duration(-1) // where the last second begins that fell below
	for start := origin; start+sec <= to; start += tick {
		if !well(start, start+sec) {
			lastIll = start
		}
	}
	for _, one := range hits {
		held := one.due + 3*sec
		switch {
		case one.due < origin || one.result == "skipped" || held > to:
		case !well(one.due, held) || lastIll >= held || held+sec > to && !well(held, to):
		default:
			return one.due - origin, true
		}
	}
	return reports.Never, true
}
