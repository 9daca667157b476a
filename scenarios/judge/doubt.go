package judge

// doubt is a reason why a run proves nothing about the system, and what can be
// done about it.
type doubt struct{ why, next string }

// What to do next, where it is the same for several doubts.
const (
	nextWhole  = "let it run to its end"
	nextRoom   = "run it again on a machine with less beside it, or with less load"
	nextSteady = "find out what is wrong without any fault, or give it a longer warmup, and run it again"
	nextAbsent = "change the expectation, or the scenario so that it has a value, and run it again"
	nextBreaks = "judge it by the scenario that has the twin"
)

func doubtsOf(all []string, next string) []doubt {
	var doubts []doubt
	for _, why := range all {
		doubts = append(doubts, doubt{why, next})
	}
	return doubts
}

func whys(doubts []doubt) []string {
	var all []string
	for _, d := range doubts {
		all = append(all, d.why)
	}
	return all
}
