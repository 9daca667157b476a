package judge

import "fmt"

// addressed holds a load of several targets to what the seed draws: every
// request went where its number says.
func (r *run) addressed(s *series) []string {
	targets := s.load.TargetsOn()
	if len(targets) == 0 {
		return nil
	}
	from, weights := r.scenario.Draws(s.load, r.header.Seed)
	astray := 0
	for _, one := range s.samples {
		if one.answer.Target != targets[from.Pick(one.seq, weights)].Name {
			astray++
		}
	}
	if astray == 0 {
		return nil
	}
	return []string{fmt.Sprintf("load %q: %d requests did not go to the targets that the seed draws for their numbers", s.load.Name, astray)}
}
