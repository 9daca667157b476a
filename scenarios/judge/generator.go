package judge

import (
	"fmt"
	"slices"
	"strings"

	"squall/reports"
)

// nextHost is what to do where the generator's own host was at its end.
const nextHost = "give the client host more of it, or send less load, and run it again"

// errorKind is the kind of the reason for which a request got no answer.
func errorKind(reason string) string {
	switch reason {
	case "connection refused":
		return "refused"
	case "connection reset":
		return "reset"
	case "connection closed":
		return "closed"
	case "timeout", "connect timeout":
		return "timeout"
	case "host unreachable":
		return "unreachable"
	case reports.NoFreePort, reports.TooManyFiles, reports.OutOfMemory, "interrupted":
		return reason
	}
	switch {
	case strings.HasPrefix(reason, "tls: "):
		return "TLS"
	case strings.HasPrefix(reason, "name not resolved"):
		return "DNS"
	}
	return "other"
}

// errors counts the requests due in [from, to) that got no answer, by kind.
func (s *series) errors(from, to reports.Offset) map[string]uint64 {
	var counts map[string]uint64
	first, end := s.between(from, to)
	for _, one := range s.samples[first:end] {
		if one.result == skipped || one.answer.Error == "" {
			continue
		}
		if counts == nil {
			counts = map[string]uint64{}
		}
		counts[errorKind(one.answer.Error)]++
	}
	return counts
}

// exhausted tells that the generator's own host lacked something in a phase, so
// that what failed says nothing about the system.
func (r *run) exhausted(s *series, phase string) (all []string) {
	w := loadView{r, s.load.Name}.phase(phase)
	if w.gone != nil {
		return nil
	}
	counts := s.errors(w.from, w.to)
	for _, kind := range []string{reports.NoFreePort, reports.TooManyFiles, reports.OutOfMemory} {
		if n := counts[kind]; n > 0 {
			all = append(all, fmt.Sprintf("load %q in phase %q: %d requests failed on the generator's own host: %s", s.load.Name, phase, n, kind))
		}
	}
	return all
}

// generators are what each generator did, in each phase and in the run.
func (r *run) generators() (all []reports.GeneratorMeasure) {
	for _, s := range r.loads {
		for _, name := range append(slices.Clone(phases[:4]), "run") {
			w := loadView{r, s.load.Name}.phase(name)
			if w.gone != nil {
				continue
			}
			lags := s.lags(w.from, w.to)
			m := reports.GeneratorMeasure{
				Load: s.load.Name, Window: name, LagP99: quantile(lags, 99), LagMax: quantile(lags, 100),
				Pauses: s.paused(w.from, w.to), Errors: s.errors(w.from, w.to),
			}
			if name == "run" && s.closing != nil && s.closing.CPU > 0 {
				m.CPU = &s.closing.CPU
			}
			all = append(all, m)
		}
	}
	return all
}

// paused are the collections that ended in [from, to); nil where the record does
// not tell.
func (s *series) paused(from, to reports.Offset) *reports.Pauses {
	if !s.told {
		return nil
	}
	sum := &reports.Pauses{}
	for _, p := range s.pauses {
		if p.At < from || p.At >= to {
			continue
		}
		sum.Count++
		sum.Total += p.Took
		sum.Longest = max(sum.Longest, p.Took)
	}
	return sum
}

// tell files what the generator tells of itself.
func (s *series) tell(e *reports.GeneratorEntry) {
	s.told = true
	s.pauses = append(s.pauses, e.Pauses...)
}
