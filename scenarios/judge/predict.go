package judge

import (
	"slices"
	"strings"

	"squall/reports"
	"squall/scenarios/oracle"
)

// predict says what Kubernetes' timers make of the window's event, beside what was
// measured. Why says why there is nothing to say; it is empty where there is no
// prediction for the kind of fault.
func (w *window) predict() (all []reports.Predicted, why string) {
	timers := w.run.timers
	fault, known := w.run.faultOf(w.step)
	if !known || timers == nil { // records of squall before it read timers have none
		return nil, ""
	}
	predictions, err := oracle.Predict(w.run.header.Kubernetes, *timers, fault)
	if err != nil {
		return nil, strings.Join(append([]string{err.Error()}, timers.Missing...), "; ")
	}
	for _, p := range predictions {
		all = append(all, predicted(p, w.measured(p.Measure)))
	}
	return all, ""
}

// measured is what was measured of what is predicted; nil when that is not known.
func (w *window) measured(m oracle.Measure) *reports.Offset {
	measures := map[oracle.Measure]func() (reports.Offset, *absence){
		oracle.Detected: w.detected, oracle.Withdrawn: w.withdrawn, oracle.Healed: w.healed,
	}
	if took, gone := measures[m](); gone == nil {
		return &took
	}
	return nil
}

// predicted is a prediction as reports show it.
func predicted(p oracle.Prediction, took *reports.Offset) reports.Predicted {
	shown := reports.Predicted{Measure: string(p.Measure), Never: p.Never, Why: p.Why, Measured: took, Inside: took != nil && p.Holds(*took)}
	if !p.Never {
		shown.Least, shown.Most = p.Window()
	}
	for _, t := range p.Terms {
		shown.Terms = append(shown.Terms, reports.PredictedTerm(t))
	}
	return shown
}

// faultOf is what the oracle has to know of an event.
func (r *run) faultOf(s *step) (oracle.Fault, bool) {
	f := oracle.Fault{Kind: kindOf(s.fault)}
	for _, v := range s.victims {
		if v.Pod == "" {
			f.Nodes = append(f.Nodes, v.Node)
		}
	}
	if undone, ended := s.stages[reports.StageUndone]; ended && s.lasting {
		f.Lasts = undone - s.injected
	}
	for _, v := range r.lostPods(s) {
		if !slices.Contains(f.Workloads, v.Role) {
			f.Workloads = append(f.Workloads, v.Role)
		}
	}
	return f, f.Kind.Known() && len(f.Workloads) > 0
}

// kindOf is the oracle's name for a fault that the record describes.
func kindOf(fault string) oracle.Kind {
	switch fault {
	case "PodChaos pod-kill":
		return oracle.PodKill
	case "NodeChaos stop":
		return oracle.NodeStop
	case "NodeChaos power-off":
		return oracle.NodePowerOff
	}
	return ""
}
