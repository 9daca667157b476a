package reports

import "strconv"

// ClassCounts are how many requests of a window are in each class.
type ClassCounts struct {
	Full     uint64 `json:"full"`
	Degraded uint64 `json:"degraded"`
	Failed   uint64 `json:"failed"`
}

// classes writes how much users got, in the windows of loads that tell it.
func (t *text) classes(ws []WindowMeasure) {
	rows := [][]string{{"window", "load", "full", "degraded", "failed"}}
	styles := []style{dim}
	for _, w := range ws {
		if w.Classes == nil {
			continue
		}
		with := plain
		if w.Classes.Degraded+w.Classes.Failed > 0 {
			with = yellow
		}
		row := []string{clean(w.Window), clean(w.Load)}
		for _, n := range []uint64{w.Classes.Full, w.Classes.Degraded, w.Classes.Failed} {
			row = append(row, strconv.FormatUint(n, 10))
		}
		rows, styles = append(rows, row), append(styles, with)
	}
	if len(rows) > 1 {
		t.table(rows, []int{1, 1, -1, -1, -1}, styles)
	}
}
