package judge

import (
	"fmt"

	"squall/scenarios"
	"squall/workloads/schedule"
)

// punctual holds a load of legs to them: every request was due when its number
// says, to the nanosecond, and in every phase as many were due as the legs make.
// The times of legs count from where warmup began.
func (r *run) punctual(s *series) (all []string) {
	from, begun := r.starts[scenarios.PhaseWarmup]
	if len(s.pace.Legs) == 0 || !begun {
		return nil
	}
	curve, err := schedule.New(r.scenario.Spec.Phases.Legs(s.pace))
	if err != nil { // a scenario that was parsed has no such legs
		return []string{fmt.Sprintf("load %q: %v", s.load.Name, err)}
	}
	astray := 0
	for _, one := range s.samples {
		if one.due != from+curve.Due(one.seq) {
			astray++
		}
	}
	if astray > 0 {
		all = append(all, fmt.Sprintf("load %q: %d requests were not due when their numbers say by the legs", s.load.Name, astray))
	}
	for _, phase := range phases[:4] {
		w := loadView{r, s.load.Name}.phase(phase)
		if w.gone != nil {
			continue
		}
		first, end := s.between(w.from, w.to)
		if makes := curve.Count(w.to-from) - curve.Count(w.from-from); uint64(end-first) != makes {
			all = append(all, fmt.Sprintf("load %q in phase %q: %d requests were due, and the legs make %d", s.load.Name, phase, end-first, makes))
		}
	}
	return all
}
