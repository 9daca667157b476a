package judge

// stateWords are words of what workloads and autoscalers have.
func stateWords(measure string) (says, example string) {
	switch measure {
	case "window.workload(w)":
		return "The workload `w` while the window lasted: its states are those at the window's end, what is counted is counted from its beginning to its end.",
			`fault.workload("catalog").least >= 2`
	case "window.hpa(h)":
		return "The autoscaler `h` while the window lasted. One whose load is to be measured begins where the load changes, and ends before it changes again.",
			`fault.hpa("catalog").enough <= duration("60s")`
	case "workload.ready":
		return "Pods ready and not terminating, at the end of *quiet*, or of the window before it.", `workload("catalog").ready == workload("catalog").desired`
	case "workload.desired":
		return "What the controller declares at the end of *quiet*, or of the window before it; for pods without one what the scenario does.",
			`workload("catalog").desired == 3`
	case "workload.pods":
		return "Pods not terminating, at the end of *quiet*, or of the window before it.", `workload("catalog").pods == 3`
	case "workload.restarts":
		return "How often containers of its pods were restarted from the beginning of *warmup* to the end of *quiet*, or while the window before it lasted: " +
				"of each pod that the record shows, the highest count seen up to then, less the last one seen before; a pod that came later began with none. Init " +
				"containers and sidecars count. A pod that is replaced is no restart, nor is a container that ended and has not been started again.",
			`workload("catalog").restarts == 0`
	case "workload.least":
		return "The fewest pods that were ready and not terminating at any moment from the beginning of *warmup* to the end of *quiet*, or of the window before " +
			"it, both included. Absent when the record does not show the workload at the beginning.", `fault.workload("catalog").least >= 2`
	case "workload.cpu":
		return "The processor time that its pods used together, in cores, as their kubelets told it every 5 s. A kubelet measures every 10 s or so, and tells the mean " +
				"between two measurements: shorter peaks do not show, and what it tells is up to that old. A pod counts from when it was measured twice.",
			`fault.workload("catalog").cpu.max <= 0.5`
	case "workload.memory":
		return "As cpu, the working set of its pods together, in bytes: what the kernel cannot take back at once.", `workload("catalog").memory.max <= 134217728`
	case "usage.max":
		return "The most that a workload used in any round of questions from the beginning of *warmup* to the end of *quiet*, or of the window before it, both included. " +
				"A round that tells of no pod of the workload is left out, and one in which a node was silent that had a ready one. Absent when none is left, as in a window shorter than 5 s.",
			`fault.workload("catalog").cpu.max <= 0.5`
	case "usage.mean":
		return "As max, the mean of those rounds.", `fault.workload("catalog").memory.mean <= 1.1 * steady.workload("catalog").memory.mean`
	case "workload.most":
		return "As least, the most pods.", `fault.workload("catalog").most <= 6`
	}
	return scalingWords(measure)
}

// scalingWords are words of what autoscalers have.
func scalingWords(measure string) (says, example string) {
	switch measure {
	case "hpa.desired":
		return "What it asks for (`status.desiredReplicas`) at the end of *quiet*, or of the window before it; as long as it could never read its metrics, the " +
			"pods that it found. Absent when the record does not show it, or it is deleted.", `hpa("catalog").desired == 1`
	case "hpa.first_scale_up":
		return "From the beginning of the window, or of *warmup*, to the first moment after it at which it asks for more pods than it did before. `never` when it " +
				"does not up to the window's end. Absent when the record does not show at the beginning what it asks for.",
			`fault.hpa("catalog").first_scale_up <= duration("30s")`
	case "hpa.enough":
		return "From the beginning of the window to the first moment from which on, up to the window's end, at least as many pods of its target are ready as it asks " +
			"for at the window's end: that is what the load needed, once it has settled. `never` when there are fewer at the end, or when it would have more than it may: " +
			"it is held down by its maximum or its rate at the end (`ScalingLimited`), it cannot scale (`AbleToScale`), or it could not read its metrics in the whole " +
			"window (`ScalingActive`). Absent when it has not settled: the window is shorter than two rounds of metrics-server and one of the autoscaler (45 s with " +
			"stock timers, 25 s with fast ones), it asked for more in the last so much of it, or it lost its metrics at its end; and when the record does not show " +
			"it, or its target, at the beginning.", `fault.hpa("catalog").enough <= duration("60s")`
	case "hpa.overshoot":
		return "By how many pods the most that it asked for in the window is above what it asks for at its end. Absent when it has not settled, as for enough, and when " +
			"it would have fewer at the end and waits with that (`ScaleDownStabilized`).", `fault.hpa("catalog").overshoot <= 1`
	case "hpa.flaps":
		return "How often it changed its direction in the window: asked for fewer pods after it had asked for more, or for more after fewer. A rise alone is none.",
			`fault.hpa("catalog").flaps == 0`
	case "hpa.unserved":
		return "The bad requests that were due from the beginning of the window until there was enough, or to the window's end when there never was. 0 when " +
			"there was enough from the start. Absent when enough is, and when no request was sent in the window.", `fault.hpa("catalog").unserved <= 100`
	}
	return "", ""
}
