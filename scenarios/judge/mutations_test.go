package judge_test

import (
	"os"
	"strings"
	"testing"

	"squall/scenarios/judge"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// mutation is a mistake that somebody could make in a measure.
type mutation struct {
	measure   string // as judge.Measures has it; empty: of verdicts
	file      string
	old, made string
}

// TestEveryMeasureHasAMutation holds that the mistakes can be made: each text that is
// changed stands once in its file. Making them takes an hour, see TestMutations.
func TestEveryMeasureHasAMutation(t *testing.T) {
	t.Parallel()
	covered := map[string]bool{}
	for _, m := range mutations() {
		covered[m.measure] = true
		text, err := os.ReadFile(m.file)
		require.NoError(t, err)
		assert.Equal(t, 1, strings.Count(string(text), m.old), "%s must have %q once", m.file, m.old)
	}
	for _, m := range judge.Measures() {
		assert.True(t, covered[m.Of+"."+m.Name], "no mutation of %s.%s", m.Of, m.Name)
	}
}

// mutations are at least one of each measure, and some of verdicts.
func mutations() []mutation {
	return []mutation{
		{".steady", "window.go", "w.from, w.to = begun, ended", "w.from, w.to = begun, ended+1"},
		{".fault", "run.go", "at, ok = r.starts[phases[i+1]]\n\treturn at, ok", "at, ok = r.starts[phases[len(phases)-1]]\n\treturn at, ok"},
		{".recovery", "run.go", "at, ok = r.starts[phases[i+1]]", "at, ok = r.starts[\"down\"]"},
		{".run", "window.go", `first, last = phases[0], "recovery"`, `first, last = phases[1], "recovery"`},
		{".event(e)", "window.go", "w.from, w.to = s.injected, ended", "w.from, w.to = s.injected+1, ended"},
		{".window(a, b)", "window.go", "w.from, w.to = a.injected, b.injected", "w.from, w.to = a.injected, b.injected+1"},
		{"window.lost", "samples.go", "one.latency <= s.load.Good.Within", "one.latency < s.load.Good.Within"},
		{"window.lost", "samples.go", `r.Error == "" && `, ""},
		{"window.lost", "window.go", "if goods+lost == 0 { // nothing sent, nothing lost: that proves nothing", "if false {"},
		{"window.requests", "window.go", "return goods + lost, nil", "return goods + lost + skips, nil"},
		{"window.good", "window.go", "case \"good\":\n\t\treturn goods, nil", "case \"good\":\n\t\treturn goods + lost, nil"},
		{"window.skipped", "samples.go", "return goods, sent - goods, end - first - sent", "return goods, sent - goods, end - first - goods"},
		{"window.availability", "window.go", "return float64(goods) / float64(goods+lost), nil", "return float64(goods) / float64(goods+lost+1), nil"},
		{"window.longest_outage", "samples.go", "case one.result == bad && !out:", "case one.result != good && !out:"},
		{"window.longest_outage", "samples.go", "longest = max(longest, to-since)", "longest = max(longest, 0)"},
		{"window.longest_outage", "samples.go", "case one.result == good && out:", "case one.result != bad && out:"},
		{"window.p50", "objects.go", `quantile("p50", 50)`, `quantile("p50", 49)`},
		{"window.p90", "objects.go", `quantile("p90", 90)`, `quantile("p90", 91)`},
		{"window.p99", "objects.go", `quantile("p99", 99)`, `quantile("p99", 99.5)`},
		{"window.max", "objects.go", `quantile("max", 100)`, `quantile("max", 99.5)`},
		{"window.p(x)", "samples.go", "math.Ceil(percent*", "math.Floor(percent*"},
		{"window.p(x)", "samples.go", "/100 - 1e-9))", "/100))"},
		{"window.worst(d)", "samples.go", "next = min(next, s.samples[a].due+1)", "next = min(next, s.samples[a].due+2)"},
		{"window.worst(d)", "samples.go", "for start := from; start <= to-d; {", "for start := from; start < to-d; {"},
		{"window.worst(d)", "samples.go", "s.samples[b].due < start+d {", "s.samples[b].due <= start+d {"},
		{"window.budget_left(x)", "budget.go", "(1-target)*float64(goods+lost)*1e9", "(1-target)*float64(goods)*1e9"},
		{"window.budget_left(x)", "budget.go", "math.Round((1-target)*float64(goods+lost)*1e9) / 1e9", "math.Abs(1-target) * float64(goods+lost)"},
		{"event.healed", "event.go", "known.compare(seen) < 0", "known.compare(seen) > 0"},
		{"event.healed", "event.go", "if s.Ready >= s.Desired {", "if s.Ready > s.Desired {"},
		{"event.healed", "event.go", "longest = max(longest, at-w.step.injected)", "longest = at - w.step.injected"},
		{"event.healed", "event.go", "if s.at > finished {\n\t\t\tbreak", "if false {\n\t\t\tbreak"},
		{"event.recovery", "recovery.go", "hold = 3 *", "hold = 2 *"},
		{"event.recovery", "recovery.go", "wellShare = 0.99", "wellShare = 0.98"},
		{"event.recovery", "recovery.go", "|| held <= ill ", "|| held <= ill-1e9 "},
		{"event.recovery", "recovery.go", "if to-held < second && !s.well(held, to) {", "if false {"},
		{"event.recovery", "event.go", "origin = max(origin, undone)", "origin = min(origin, undone)"},
		{"event.impaired", "event.go", "return undone - w.step.injected, nil", "return undone, nil"},
		{"event.detected", "noticed.go", "first = min(first, seen.at)", "first = seen.at"},
		{"event.detected", "event.go", "(p.Deleted || p.Terminating || !p.Ready)", "(p.Deleted || p.Terminating)"},
		{"event.detected", "noticed.go", "case whole && at > finished:", "case whole && at > finished && at < reports.Never:"},
		{"event.withdrawn", "noticed.go", "last = max(last, goneFrom(", "last = min(last, goneFrom("},
		{"event.withdrawn", "noticed.go", "if s.at > after && !slices", "if !slices"},
		{"event.withdrawn", "noticed.go", `strings.HasPrefix(service, namespace+"/") && `, `(strings.HasPrefix(service, namespace+"/") || true) && `},
		{"event.rolled", "rolled.go", "s.UID != made.UID || s.at < w.step.injected", "s.at < w.step.injected"},
		{"event.rolled", "rolled.go", "s.UID != made.UID || s.at < w.step.injected", "s.UID != made.UID"},
		{"event.rolled", "rolled.go", "s.Observed >= made.Generation && RolledOut", "RolledOut"},
		{"event.rolled", "rolled.go", "e.Updated >= e.Desired && e.Pods <= e.Updated && ", "e.Updated >= e.Desired && "},
		{"event.rolled", "rolled.go", "e.Updated >= e.Desired-e.Partition", "e.Updated >= e.Desired"},
		{"event.drained", "drained.go", "last = max(last, at)", "last = at"},
		{"event.drained", "drained.go", "at.compare(open) < 0", "at.compare(open) < 2"},
		{"event.drained", "drained.go", "at.compare(cordoned) < 0 {", "false {"},
		{"event.drained", "drained.go", "case s.at < from:", "case false:"},
		{"event.drained", "drained.go", "i+1 < len(tenants) && tenants", "i > len(tenants) && tenants"},
		{"event.happened", "run.go", "return s.begun && s.has(reports.StageBitten)", "return s.begun"},
		{"event.injected", "objects.go", "if w.step == nil {\n\t\t\treturn types.False, nil", "if w.step == nil {\n\t\t\treturn types.True, nil"},
		{"event.injected", "objects.go", "func(*step) (bool, *absence) { return true, nil }", "func(s *step) (bool, *absence) { return s.bitten(), nil }"},
		{"event.undone", "run.go", "return s.has(reports.StageUndone), nil", "return s.bitten(), nil"},
		{"event.undone", "run.go", "if !s.lasting {\n\t\treturn false, absent", "if false {\n\t\treturn false, absent"},
		{".live(l, d)", "live.go", "if !answered && now-l.due <= l", "if !answered && now-l.due < l"},
		{".live(l, d)", "live.go", "l.series.load.Good.Within+OnTheWay {", "l.series.load.Good.Within {"},
		{".live(l, d)", "live.go", "known = min(now, l.due)", "known = l.due"},
		{".live(l, d)", "live.go", "l.series.countFrom(at)", "_ = at"},
		{".live(l, d)", "live.go", "one.latency = now - OnTheWay - one.due", "one.latency = now - one.due"},
		{".live(l, d)", "live.go", "l.forget(known - l.keep)", "l.forget(known - l.keep/2)"},
		{".live(l, d)", "live.go", "Target: l.target(l.next)", ""},
		{".live(l, d)", "live.go", "l.series.sorted, l.series.parts = map[[2]int][]reports.Offset{}, nil", "l.series.sorted = map[[2]int][]reports.Offset{}"},
		{".live(l, d)", "live.go", "s.goods, s.sents = slices.Delete(s.goods, 0, old), slices.Delete(s.sents, 0, old)", "s.goods, s.sents = slices.Delete(s.goods, 0, old), slices.Delete(s.sents, 0, old-1)"},
		{".live(l, d)", "condition_check.go", "w.from, w.to = known-d, known", "w.from, w.to = known-d, known+1"},
		{".live(l, d)", "condition_check.go", "case known-d < begun:", "case false:"},
		{"", "objects.go", "d == reports.Never && w.run.present", "false"},
		{"", "aborted.go", "if at <= moment {", "if true {"},
		{"", "aborted.go", "err != nil || value != true {", "err != nil {"},
		{"", "sound.go", "case !s.enabled, r.aborted != nil:", "case !s.enabled:"},
		{"window.target(t)", "narrow.go", "s.answer.Target == o.value", "s.answer.Target != o.value"},
		{"window.by(k, v)", "narrow.go", "if to.has(one) {", "if to.has(one) || to.value == \"\" {"},
		{"window.full", "class.go", "if one.result != skipped {\n\t\t\tcounts[one.class]++", "if one.result == good {\n\t\t\tcounts[one.class]++"},
		{"window.full", "class.go", "if sent == 0 {", "if false {"},
		{"window.degraded", "class.go", "n += counts[class]", "n = counts[class]"},
		{"window.degraded", "crossing.go", "class: sample.Full, ", "class: sample.Degraded, "},
		{"window.failed", "class.go", "unknown > 0 {", "unknown > 1<<30 {"},
		{"window.failed", "samples.go", "class: r.Class, ", "class: sample.Failed, "},
		{"window.full_share", "class.go", "sent += count\n", "sent += count + 1\n"},
		{"window.degraded_share", "class.go", "types.Double(float64(n) / float64(sent)), gone", "types.Double(float64(n) / float64(sent+1)), gone"},
		{"window.failed_share", "class.go", "s.between(from, to)", "s.between(from, to+1)"},
		{"workload.restarts", "restarts.go", "state.at > to:", "state.at > to+60e9:"},
		{"workload.restarts", "restarts.go", "state.at <= from:", "state.at < from:"},
		{"node.ready", "node.go", "n.Ready && !n.Deleted", "n.Ready"},
		{"node.schedulable", "node.go", "!n.Unschedulable && !n.Deleted", "!n.Deleted"},
		{"", "crossing.go", ", answer: one.answer}", "}"},
		{"", "crossing.go", "load.parts = nil", ""},
		{"", "crossing.go", "load.countFrom(min(from, before))", "load.countFrom(max(from, before))"},
		{"", "crossing.go", "if from > before {", "if false {"},
		{"", "samples.go", "if s.room != nil {", "if false {"},
		{"workload.least", "workload.go", "case s.at <= to && known && beyond", "case s.at < to && known && beyond"},
		{"workload.least", "workload.go", "case s.at <= from: // the last", "case s.at < from: // the last"},
		{"workload.most", "workload.go", "return ready > most })", "return ready < most })"},
		{"workload.cpu", "usage.go", `of("cpu", cores)`, `of("cpu", memory)`},
		{"workload.memory", "usage.go", `of("memory", memory)`, `of("memory", cores)`},
		{"usage.max", "usage.go", "if s.at < from || s.at > to {", "if s.at < from || s.at >= to {"},
		{"usage.max", "usage.go", `s.Unread != "" && v.of.readyOn(s.Node, s.at)`, `s.Unread != ""`},
		{"usage.max", "usage.go", "(silent || !told) {", "!told {"},
		{"usage.mean", "usage.go", "(silent || !told) {", "(silent || !told && false) {"},
		{"usage.mean", "usage.go", "return sum / float64(len(rounds))", "return sum / float64(len(rounds)+1)"},
		{"usage.mean", "usage.go", "if pod.Role == v.of.name {", `if pod.Role == v.of.name || pod.Role == "" {`},
		{"window.workload(w)", "states.go", "return workloadView{r, name, over} }", "return workloadView{r, name, nil} }"},
		{"window.hpa(h)", "states.go", "return hpaView{r, name, over} }", "return hpaView{r, name, nil} }"},
		{"hpa.desired", "hpa.go", "last, known = s, s.looked()", "last, known = s, true"},
		{"hpa.desired", "hpa.go", "if s.Desired == 0 && s.Min > 0 {", "if false {"},
		{"hpa.first_scale_up", "hpa.go", "case s.at <= from && s.looked():", "case s.at < from && s.looked():"},
		{"hpa.first_scale_up", "hpa.go", "return all[i].at - from, nil", "return all[i-1].at - from, nil"},
		{"hpa.enough", "hpa.go", "case s.Ready < last.asks():", "case s.Ready < all[0].asks():"},
		{"hpa.enough", "hpa.go", "case s.Ready < last.asks():\n\t\t\tsince = reports.Never", "case s.Ready < last.asks():"},
		{"hpa.enough", "hpa.go", "if last.held() || !anyActive(all) {", "if !anyActive(all) {"},
		{"hpa.enough", "hpa.go", "if last.held() || !anyActive(all) {", "if last.held() {"},
		{"hpa.enough", "hpa.go", "to-all[i].at < need {", "to-all[i].at <= need {"},
		{"hpa.enough", "hpa.go", "2*resolution + sync", "resolution + sync"},
		{"hpa.enough", "hpa.go", `|| limited.Reason == "ScaleUpLimit"`, ""},
		{"hpa.overshoot", "hpa.go", "return most(all).asks() - last.asks(), nil", "return most(all).asks() - all[0].asks(), nil"},
		{"hpa.overshoot", "hpa.go", `Reason == "ScaleDownStabilized" {`, `Reason == "" {`},
		{"hpa.flaps", "hpa.go", "if change != 0 {\n\t\t\tbefore = change", "if true {\n\t\t\tbefore = change"},
		{"hpa.flaps", "hpa.go", "if change*before < 0 {", "if change != 0 && before != 0 {"},
		{"hpa.unserved", "hpa.go", "over.to = from + took", "over.to = from + took + 1"},
		{"hpa.unserved", "hpa.go", "case goods+lost == 0:\n\t\treturn 0, over.empty()", "case goods+lost < 0:\n\t\treturn 0, over.empty()"},
		{"", "statemoment.go", "return max(most(all).at, from), true", "return from, true"},
		{"", "statemoment.go", "return turned[len(turned)-1].at, true", "return turned[0].at, true"},
		{"", "statemoment.go", "return from + d.Duration, ok", "return d.Duration, ok"},
		{"workload.ready", "workload.go", "if s := &v.run.states[v.name][i]; s.at <= to {", "if s := &v.run.states[v.name][i]; s.at < to+60e9 {"},
		{"workload.ready", "workload.go", "return s.Ready })", "return s.Pods })"},
		{"workload.desired", "workload.go", "return s.Desired })", "return s.Ready })"},
		{"workload.pods", "workload.go", "return s.Pods })", "return s.Ready })"},
		{"", "crossing.go", "return s.real[i].samples[n].due > at", "return s.real[i].samples[n].due >= at"},
		{"", "crossing.go", "if isFalse(s.dues[0] - 1) {", "if false {"},
		{"", "moment.go", "m.at < first.at", "m.at > first.at"},
		{"", "moment.go", "m.at > last.at", "m.at < last.at"},
		{"", "moment.go", "return origin + d.Duration, true", "return s.injected + d.Duration, true"},
		{"", "moment.go", "(!known || s.WorkloadEntry != before)", "(known || s.WorkloadEntry != before)"},
		{"", "nearby.go", "(one.At - at).Abs() <= near", "(one.At - at).Abs() < 3*near"},
		{"", "nearby.go", "-cmp.Compare(changed[a.Pod]", "cmp.Compare(changed[a.Pod]"},
		{"", "nearby.go", "continue // it was there", "// it was there"},
		{"", "moment.go", "s.at <= finished && !same", "s.at <= finished"},
		{"", "judge.go", "case !*f.Held:\n\t\t\tbroken", "case false:\n\t\t\tbroken"},
		{"", "judge.go", "if len(doubts) > 0 {", "if len(doubts) > 1 {"},
		{"", "sentence.go", "return doubts[0].next", "return nextAbsent"},
	}
}
