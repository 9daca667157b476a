package plan

import (
	"cmp"
	"encoding/json"
	"fmt"
	"time"

	"squall/scenarios"
)

// triggered is an entry of the timeline with its trigger alone; false when it
// has none.
func triggered(step scenarios.Step, phases scenarios.Phases) (Event, bool) {
	if step.Waits() {
		by, ok := phases.Offset(step.By)
		return Event{Name: step.Name, When: step.When, By: by}, ok
	}
	at, ok := phases.Offset(step.At)
	return Event{Name: step.Name, At: at}, ok
}

// inTime orders events: those that have a time by it, then those that wait for a
// condition by the moment up to which they do.
func inTime(a, b Event) int {
	waits := func(e Event) int {
		if e.When != "" {
			return 1
		}
		return 0
	}
	return cmp.Or(cmp.Compare(waits(a), waits(b)), cmp.Compare(a.At, b.At), cmp.Compare(a.By, b.By))
}

// trigger is when an event happens, for people.
func (e Event) trigger() string {
	if e.When != "" {
		return fmt.Sprintf("when %s, by %s", e.When, e.By)
	}
	return e.At.String()
}

// MarshalJSON leaves out the time of an event that has none: zero would be one.
func (e Event) MarshalJSON() ([]byte, error) {
	type plain Event // without this method
	if e.When == "" {
		return json.Marshal(plain(e))
	}
	return json.Marshal(struct {
		plain
		At *time.Duration `json:"at,omitempty"`
	}{plain: plain(e)})
}
