package judge

import (
	"maps"
	"slices"

	"squall/reports"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
)

// usageView is workload("x").cpu or .memory in an expression.
type usageView struct {
	of workloadView
	// figure is what is measured of a pod.
	figure func(reports.PodUsage) float64
}

// usageState is what a node used in a round of questions.
type usageState struct {
	place
	*reports.UsageEntry
}

// used is what a workload's pods used together, by one round.
type used struct {
	at     reports.Offset
	amount float64
}

// usageOf are the measures of a workload that have a maximum and a mean.
func usageOf() []field {
	of := func(name string, figure func(reports.PodUsage) float64) field {
		return field{name: name, typ: types.NewObjectType(typeUsage), get: func(target any) (ref.Val, *absence) {
			return object{typeUsage, usageView{target.(workloadView), figure}}, nil
		}}
	}
	return []field{
		of("cpu", cores),
		of("memory", memory),
	}
}

func cores(p reports.PodUsage) float64  { return p.CPU }
func memory(p reports.PodUsage) float64 { return float64(p.Memory) }

func usageFields() []field {
	amount := func(name string, get func([]used) float64) field {
		return field{name: name, typ: types.DoubleType, get: func(target any) (ref.Val, *absence) {
			rounds, gone := target.(usageView).rounds()
			if gone != nil {
				return nil, gone
			}
			return types.Double(get(rounds)), nil
		}}
	}
	return []field{
		amount("max", func(rounds []used) float64 { return peak(rounds).amount }),
		amount("mean", mean),
	}
}

func mean(rounds []used) float64 {
	sum := 0.0
	for _, one := range rounds {
		sum += one.amount
	}
	return sum / float64(len(rounds))
}

// peak is the first round with the most.
func peak(rounds []used) used {
	found := rounds[0]
	for _, one := range rounds {
		if one.amount > found.amount {
			found = one
		}
	}
	return found
}

// rounds are those from the beginning to the end of what is looked at, both
// included, without those that tell of no pod of the workload and those in which a
// node was silent that had a ready one.
func (v usageView) rounds() ([]used, *absence) {
	from, gone := v.of.run.beginning(v.of.over)
	if gone != nil {
		return nil, gone
	}
	to, gone := v.of.run.ending(v.of.over)
	if gone != nil {
		return nil, gone
	}
	var all []used
	silent, told := false, false // in the round that is being added up
	for i, s := range v.of.run.usage {
		if s.at < from || s.at > to {
			continue
		}
		if len(all) == 0 || all[len(all)-1].at != s.at {
			all, silent, told = append(all, used{at: s.at}), false, false
		}
		silent = silent || s.Unread != "" && v.of.readyOn(s.Node, s.at)
		for _, pod := range s.Pods {
			if pod.Role == v.of.name {
				all[len(all)-1].amount += v.figure(pod)
				told = true
			}
		}
		if last := i+1 == len(v.of.run.usage) || v.of.run.usage[i+1].at != s.at; last && (silent || !told) {
			all = all[:len(all)-1]
		}
	}
	if len(all) == 0 {
		return nil, absent("the record does not tell what workload %q used in that time", v.of.name)
	}
	return all, nil
}

// readyOn tells whether a pod of the workload was ready on a node.
func (v workloadView) readyOn(node string, at reports.Offset) bool {
	for uid := range v.run.pods {
		if pod := v.run.podAt(uid, at); pod != nil && pod.Role == v.name && pod.Node == node && pod.Ready && !pod.Deleted {
			return true
		}
	}
	return false
}

// usages are what each workload used over the run, as the reports show it.
func (r *run) usages() (all []reports.UsageMeasure) {
	for _, name := range slices.Sorted(maps.Keys(r.states)) {
		of := workloadView{run: r, name: name}
		cpu, gone := usageView{of, cores}.rounds()
		if gone != nil {
			continue
		}
		bytes, _ := usageView{of, memory}.rounds()
		all = append(all, reports.UsageMeasure{Workload: name, CPUMean: mean(cpu), CPUMost: peak(cpu).amount, MemoryMax: peak(bytes).amount})
	}
	return all
}
