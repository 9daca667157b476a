package judge

import "math"

// budgetLeft is the share of the error budget of w that is left: of the bad
// requests that the target allows, those that were not spent. It is below zero
// when more were spent.
func (w *window) budgetLeft(target float64) (float64, *absence) {
	s, gone := w.one()
	if gone != nil {
		return 0, gone
	}
	if !(target > 0 && target < 1) {
		return 0, absent("budget_left(x) needs an x above 0 and below 1")
	}
	goods, lost, _ := s.tally(w.from, w.to)
	// Rounded, as 1 - 0.9 is not 0.1: a budget that is used up exactly is zero.
	budget := math.Round((1-target)*float64(goods+lost)*1e9) / 1e9
	if budget == 0 {
		return 0, absent("a target of %v allows nothing to be lost in %s", target, w.name)
	}
	return (budget - float64(lost)) / budget, nil
}
