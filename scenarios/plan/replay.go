package plan

import (
	"encoding/json"
	"fmt"
	"slices"
)

// Parse reads a plan that [Plan.JSON] wrote.
func Parse(text []byte) (Plan, error) {
	var p Plan
	if err := json.Unmarshal(text, &p); err != nil {
		return Plan{}, fmt.Errorf("read a plan: %w", err)
	}
	return p, nil
}

// Following is the plan that does again what was done by p: hit are the victims of
// each event by its name. An event that is not in hit chooses anew, as p says.
func (p Plan) Following(hit map[string][]Candidate) Plan {
	p.Events = slices.Clone(p.Events)
	for i, e := range p.Events {
		if victims, ok := hit[e.Name]; ok {
			p.Events[i].Candidates, p.Events[i].Count = victims, Count{Mode: "fixed", Pods: len(victims)}
			p.Events[i].Exactly = true
		}
	}
	return p
}
