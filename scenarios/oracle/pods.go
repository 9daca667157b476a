package oracle

import (
	"fmt"
	"slices"
	"time"

	"squall/reports"
)

// podKill is what follows when pods are deleted. Those that have a ReplicaSet are
// replaced at once: it does not count pods that are on their way out. A
// StatefulSet waits until the old pod is gone. Nothing replaces the others.
func podKill(timers reports.TimersEntry, fault Fault) ([]Prediction, error) {
	seen := Prediction{Measure: Detected, Terms: []Term{watched()}}
	withdrawn := Prediction{Measure: Withdrawn, Terms: []Term{watched(), endpoints()}}
	healed, err := slowest(fault.Workloads, func(name string) (Prediction, error) {
		pods, err := podsOf(timers, name)
		if err != nil {
			return Prediction{}, err
		}
		return replaced(pods, fault.Grace), nil
	})
	return []Prediction{seen, withdrawn, healed}, err
}

// replaced is when the deleted pods of a workload are replaced.
func replaced(pods reports.PodTimers, grace *time.Duration) Prediction {
	p := Prediction{Measure: Healed} // what the API takes is part of a pod's start
	switch pods.Controller {
	case "":
		p.Never, p.Why = true, fmt.Sprintf("no controller replaces the pods of %q", pods.Workload)
	case "StatefulSet":
		ends := Term{Name: "the old pod ends", Most: pods.Grace, From: "terminationGracePeriodSeconds"}
		if grace != nil {
			ends.Most, ends.From = *grace, "gracePeriod"
		}
		p.Terms = append(p.Terms, ends)
	}
	p.Terms = append(p.Terms, starts(pods)...)
	return p
}

// watched is the time until a change is known through the API.
func watched() Term {
	return Term{Name: "the API shows it", Most: apiDelay, From: "allowance"}
}

// endpoints is the time until the EndpointSlices follow: their controller does not
// wait to batch changes (k8s 1.36, endpointslice, endpointUpdatesBatchPeriod 0).
func endpoints() Term {
	return Term{Name: "the EndpointSlice follows", Most: apiDelay, From: "allowance"}
}

// starts are the terms from a pod's loss, or deletion, until another counts as
// ready. The kubelet's look goes on beside what the program and the probe wait for
// in any case, so it counts only as far as it is longer.
func starts(pods reports.PodTimers) []Term {
	terms := []Term{{Name: "a pod starts", Most: StartUp, From: "allowance"}}
	if seen := Relist - max(pods.Start, pods.InitialDelay); seen > 0 {
		terms = append(terms, Term{Name: "the kubelet sees it run", Most: seen, From: "relist period"})
	}
	if pods.Start > 0 {
		terms = append(terms, Term{Name: "its program starts", Least: pods.Start, Most: pods.Start, From: "the scenario's startup"})
	}
	if pods.Period > 0 {
		terms = append(terms, probed(pods)...)
	}
	return terms
}

// probed are the terms of a readiness probe: the first succeeds up to a period
// after the program listens, each further one a period later.
func probed(pods reports.PodTimers) []Term {
	var terms []Term
	if pods.InitialDelay > pods.Start {
		wait := pods.InitialDelay - pods.Start
		terms = append(terms, Term{Name: "probes begin", Least: wait, Most: wait, From: "initialDelaySeconds"})
	}
	terms = append(terms, Term{Name: "a probe is due", Most: pods.Period, From: "periodSeconds"})
	if more := time.Duration(pods.Successes-1) * pods.Period; more > 0 {
		terms = append(terms, Term{Name: "further successes", Least: more, Most: more, From: "successThreshold"})
	}
	return terms
}

// podsOf finds the timers of a workload's pods.
func podsOf(timers reports.TimersEntry, workload string) (reports.PodTimers, error) {
	i := slices.IndexFunc(timers.Pods, func(p reports.PodTimers) bool { return p.Workload == workload })
	if i < 0 {
		return reports.PodTimers{}, fmt.Errorf("the timers of the pods of workload %q were not read", workload)
	}
	return timers.Pods[i], nil
}

// slowest is the prediction that ends last among those of several workloads; one
// that never comes is the last of all.
func slowest(workloads []string, predict func(string) (Prediction, error)) (Prediction, error) {
	var last Prediction
	for i, name := range workloads {
		p, err := predict(name)
		if err != nil {
			return Prediction{}, err
		}
		_, most := p.Window()
		if _, sofar := last.Window(); i == 0 || p.Never && !last.Never || p.Never == last.Never && most > sofar {
			last = p
		}
	}
	return last, nil
}
