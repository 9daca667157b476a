package judge

// words are what a measure is, and an expectation that uses it.
func words(measure string) (says, example string) {
	switch measure {
	case "window.lost":
		return "Bad requests: sent, and not answered completely, with a status in `good.status`, in at most `good.within`. Absent when nothing was sent.",
			"fault.lost <= 100"
	case "window.requests":
		return "Sent requests: good + bad. It is 0 when nothing was sent.", "fault.requests > 1000"
	case "window.good":
		return "Good requests.", "fault.good >= 1900"
	case "window.skipped":
		return "Requests that were due and never sent, because the generator was behind; neither good nor bad.", "run.skipped == 0"
	case "window.availability":
		return "good / (good + bad).", "fault.availability >= 0.99"
	case "window.longest_outage":
		return "The longest stretch from the due time of a bad request to that of the next good one, or to the window's end. " +
			"Skipped requests neither begin nor end one.", `fault.longest_outage <= duration("2s")`
	case "window.p50":
		return "The latency that half of all sent requests had at most, by nearest rank. Latency runs from when a request was due. " +
			"A failed request counts with the time that it took to fail: read it beside `lost`.", "fault.p50 <= 2 * steady.p50"
	case "window.p90":
		return "As p50, of nine requests in ten.", "fault.p90 <= 2 * steady.p90"
	case "window.p99":
		return "As p50, of 99 requests in a hundred.", "fault.p99 <= 3 * steady.p99"
	case "window.max":
		return "The largest latency of all sent requests.", `fault.max < duration("1s")`
	case "window.worst(d)":
		return "The lowest share of good requests in any window of length `d` that lies inside this one. Every possible start is tried, to the " +
			"nanosecond. Windows in which nothing was sent do not count. Absent where the window is shorter than `d`.", `fault.worst(duration("1s")) >= 0.9`
	case "window.p(x)":
		return "As p50, of `x` requests in a hundred; `x` is above 0 and up to 100.", `fault.p(99.9) < duration("2s")`
	case "window.budget_left(x)":
		return "The share of the window's error budget that is left, for the target `x`, a share of good requests above 0 and below 1. The budget is the " +
			"number of bad requests that the target allows, `(1 - x) * requests`; what is left is `(budget - lost) / budget`: 1 when nothing was lost, 0 when " +
			"the budget is used up exactly, below 0 when more was lost. The budget is rounded to 9 decimals. " +
			"Absent when nothing was sent.", "fault.budget_left(0.999) >= 0.5"
	case "window.target(t)":
		return "The window with the requests in it that were drawn to the target `t` of the load. What is measured is measured as if no other had been sent.",
			`fault.target("order").lost == 0`
	case "window.by(k, v)":
		return "The window with the requests in it whose answers had the value `v` in the header that the load's `by` calls `k`; the value is \"\" where the " +
				"header, or an answer, is missing. A request that failed without an answer belongs to no version: read it beside the whole window.",
			`fault.by("version", "v2").lost == 0`
	}
	if says, example = classWords(measure); says != "" {
		return says, example
	}
	return moreWords(measure)
}

// moreWords are words of what is not a window's.
func moreWords(measure string) (says, example string) {
	switch measure {
	case "event.happened":
		return "It was injected and proved that it bit.", `event("kill").happened`
	case "event.injected":
		return "It was injected, whether or not it proved that it bit.", `event("kill").injected`
	case "event.undone":
		return "A lasting fault that was injected was proven gone again. Absent for an instant fault and for a step, which leave nothing to undo.",
			`event("cut").undone`
	case "event.healed":
		return "From the injection until every workload that lost a pod has `ready >= desired` again. The workloads are those of the victims; " +
			"where a victim is a node, those whose pods were on it. Of each, the judge first finds where the record shows *every* pod that was hit " +
			"gone, terminating or not ready, not before the injection: until then the counts may still be those from before the fault. The first count recorded after that with enough ready pods ends it. The slowest " +
			"workload counts. What comes back only after *quiet* has ended does not.", `event("kill").healed <= duration("15s")`
	case "event.recovery":
		return "Zero when no request due from the injection to the end of *recovery* was bad. Else from the *origin* to the due time of the first " +
			"request, not due before the origin, that begins a *hold* of 3 s in which at least 99 % of the sent requests were good, if after that hold " +
			"no window of one second falls below 99 % until the end of *recovery*. When less than a second is left after the hold, that rest is judged " +
			"as a second. A hold that the end of *recovery* would cut short does not count. The origin is the injection for an instant fault, the " +
			"proven undo for a lasting one. A hold may itself begin with one of its up to 1 % bad requests. Over several loads it is that of the load " +
			"which took longest.", `event("kill").recovery <= duration("2s")`
	case "event.impaired":
		return "From the injection to the proven undo; zero for an instant fault.", `event("cut").impaired <= duration("21s")`
	case "event.detected":
		return "From the injection until the cluster itself showed it: the first moment, not before the injection and up to the end of *quiet*, at which the " +
				"record shows *one* victim gone, terminating or not ready. `never` when it shows none of them so. Absent where the record has no victim. " +
				"For a victim that is a node, the pods of workloads that were on it stand.",
			`event("kill").detected <= duration("1s")`
	case "event.withdrawn":
		return "From the injection until no Service had a victim among its ready addresses any more. Counted are the Services that had one when the event was " +
				"injected, and for each victim the first change after it without that pod; the slowest counts. `never` when one of them kept a victim up to the " +
				"end of *quiet*. Absent where no Service had a victim. For a victim that is a node, the pods of workloads that were on it stand.",
			`event("kill").withdrawn <= duration("1s")`
	case "event.rolled":
		return "From the injection until the controller of what the step changed, a Deployment or a StatefulSet, says that this revision, or a later one, is " +
				"rolled out wholly, as `kubectl rollout status` has it: the controller has seen what is asked for; of a Deployment all pods are of the newest " +
				"revision and available, and none of another is left; of a StatefulSet all are ready, and all but those of its `partition` are of the newest " +
				"revision. `never` when it has not said so by the end of *quiet*. Absent for a fault, and for a step that made no new generation of either.",
			`event("new version").rolled <= duration("30s")`
	case "event.drained":
		return "From the injection until no pod that a drain has to move is left on any of its nodes, as the recorder's own watch of the pods of all namespaces shows: " +
				"pods that have ended, those of DaemonSets and the kubelet's own may stay, and one that is on its way out is still there. It counts while the " +
				"node is cordoned: `never` when it took pods again before, or the end of *quiet* came. What held it up stands in the event's last stage. " +
				"Absent for an event that drains no node.",
			`event("drain").drained <= duration("30s")`
	case "node.ready":
		return "Its condition Ready is true, at the end of *quiet*. A node that is gone is not ready; one that the record never shows is absent.",
			`node("worker-1").ready`
	case "node.schedulable":
		return "It takes new pods, as far as `spec.unschedulable` says, at the end of *quiet*: it was not cordoned, or was uncordoned again.",
			`node("worker-1").schedulable`
	}
	return stateWords(measure)
}
