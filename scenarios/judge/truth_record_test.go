package judge_test

import (
	"slices"
	"time"

	"squall/reports"
	"squall/workloads/sample"
)

// record is what a run by the script leaves.
func (s *script) record() *tape {
	t := &tape{rec: reports.Record{Header: reports.Header{Scenario: "pod-kill"}}}
	for name, at := range s.starts {
		t.add(at, reports.Entry{Kind: reports.KindPhase, Phase: &reports.PhaseEntry{Name: name}})
	}
	for _, load := range s.loads {
		for i, one := range s.hits[load] {
			t.add(one.due, reports.Entry{Kind: reports.KindRequest, Request: s.request(load, i, one)})
		}
	}
	var victims []reports.Victim
	for _, v := range s.losses {
		victims = append(victims, reports.Victim{Role: v.role, Pod: "shop/" + v.uid, UID: v.uid})
	}
	event := func(name string, at time.Duration, stage reports.Stage, lasting bool) {
		t.add(at, reports.Entry{Kind: reports.KindEvent, Event: &reports.EventEntry{Name: name, Stage: stage, Lasting: lasting, Victims: victims}})
	}
	event("kill", s.killed, reports.StageInjected, s.lasting)
	event("second", s.second, reports.StageInjected, false)
	if s.third {
		event("third", s.second, reports.StageInjected, false)
	}
	if s.bitten {
		event("kill", s.killed+tick, reports.StageBitten, s.lasting)
	}
	if s.lasting && s.undone >= 0 {
		event("kill", s.undone, reports.StageUndone, s.lasting)
	}
	t.add(s.second+tick, reports.Entry{Kind: reports.KindEvent, Event: &reports.EventEntry{Name: "second", Stage: reports.StageBitten,
		Changed: &reports.Changed{Object: "Deployment/catalog", UID: "d", Generation: 2}}})
	s.recordDrain(t)
	for _, one := range s.rollouts {
		t.add(one.at, reports.Entry{Kind: reports.KindRollout, Rollout: &one.entry})
	}
	s.recordPods(t)
	for i := range s.bystander {
		t.add(time.Duration(i+1)*sec, reports.Entry{Kind: reports.KindWorkload, Workload: &s.bystander[i]})
	}
	s.recordRestarts(t)
	for at, round := range s.usage {
		for i := range round {
			t.add(at, reports.Entry{Kind: reports.KindUsage, Usage: &round[i]})
		}
	}
	for i := range s.node {
		t.add(time.Duration(i+1)*sec, reports.Entry{Kind: reports.KindNode, Node: &s.node[i]})
	}
	t.add(s.starts["down"]+sec, reports.Entry{Kind: reports.KindEnd, End: &reports.EndEntry{}})
	return t
}

// request writes a hit in one of the ways that come to its result.
func (s *script) request(load string, i int, one hit) *reports.RequestEntry {
	e := &reports.RequestEntry{Load: load, Seq: uint64(i), Sent: one.due, Done: one.due + one.took, Code: 200, Target: one.target}
	if one.version != "" {
		e.By = map[string]string{"version": one.version}
	}
	e.Class = map[string]sample.Class{"full": sample.Full, "degraded": sample.Degraded, "failed": sample.Failed}[one.class]
	switch {
	case one.result == "skipped":
		e.Skipped = true
	case one.result == "bad" && one.took <= 250*ms:
		switch i % 3 {
		case 0:
			e.Code = 503
		case 1:
			e.Code, e.Error = 0, "connection refused"
		case 2:
			e.Error = "cut off"
		}
	}
	return e
}

// recordPods writes the pods, the counts and the endpoints.
func (s *script) recordPods(t *tape) {
	moments := []time.Duration{500 * ms}
	for i, v := range s.losses {
		t.add(400*ms, reports.Entry{Kind: reports.KindPod, Pod: &reports.PodEntry{Name: "shop/" + v.uid, UID: v.uid, Role: v.role, Ready: true}})
		moments = append(moments, v.seen, v.withdrawn, v.replaced)
		if v.seen < 0 {
			continue
		}
		e := &reports.PodEntry{Name: "shop/" + v.uid, UID: v.uid, Role: v.role}
		switch i % 3 {
		case 0:
			e.Ready, e.Terminating = true, true
		case 1:
			e.Ready, e.Deleted = true, true
		}
		t.add(v.seen, reports.Entry{Kind: reports.KindPod, Pod: e})
	}
	slices.Sort(moments)
	for _, at := range slices.Compact(moments) {
		if at < 0 {
			continue
		}
		for _, role := range []string{"catalog", "cart"} {
			t.add(at, reports.Entry{Kind: reports.KindWorkload, Workload: &reports.WorkloadEntry{
				Name: role, Desired: 3, Ready: s.ready(role, at), Pods: s.ready(role, at)}})
			var names []string
			for _, v := range s.losses {
				if v.role == role && (v.withdrawn < 0 || at < v.withdrawn) {
					names = append(names, v.uid)
				}
			}
			t.endpoints(at, "shop/"+role, names...)
		}
	}
}

// ready is how many pods of a role are ready at a time, by the script.
func (s *script) ready(role string, at time.Duration) int {
	n := 3
	for _, v := range s.losses {
		if v.role == role && v.seen >= 0 && v.seen <= at {
			n--
		}
		if v.role == role && v.replaced >= 0 && v.replaced <= at {
			n++
		}
	}
	return n
}

// recordRestarts writes the pods of gateway, whose containers restart at times.
func (s *script) recordRestarts(t *tape) {
	for uid, moments := range s.restarts {
		for n, at := range moments {
			t.add(at, reports.Entry{Kind: reports.KindPod, Pod: &reports.PodEntry{
				Name: "shop/" + uid, UID: uid, Role: "gateway", Node: nodeOf(uid), Ready: true, Restarts: int32(n + 1)}})
		}
	}
}

// nodeOf is the node of one of gateway's pods.
func nodeOf(uid string) string {
	return map[string]string{"g0": "worker-1", "g1": "worker-2", "g2": "worker-1"}[uid]
}
