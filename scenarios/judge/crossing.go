package judge

import (
	"slices"
	"sort"

	"squall/reports"
	"squall/workloads/sample"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/types"
)

// supposition is a run in which every request that was due after some moment is
// supposed to have been good at once.
type supposition struct {
	jury *jury
	real []*series
	dues []reports.Offset // of all requests, in order
	from []int            // from which request on they are supposed good, by load
}

// suppose makes the supposition over the jury's run.
func (j *jury) suppose() (*supposition, error) {
	if j.supposed != nil {
		return j.supposed, nil
	}
	copied := *j.run
	copied.loads = make([]*series, len(j.run.loads))
	made := &supposition{real: j.run.loads}
	for i, s := range made.real {
		copied.loads[i] = &series{load: s.load, pace: s.pace, samples: slices.Clone(s.samples),
			goods: slices.Clone(s.goods), sents: slices.Clone(s.sents), room: []reports.Offset{}}
		made.from = append(made.from, len(s.samples))
		for _, one := range s.samples {
			made.dues = append(made.dues, one.due)
		}
	}
	slices.Sort(made.dues)
	var err error
	if made.jury, err = newJury(&copied); err != nil {
		return nil, err
	}
	j.supposed = made
	return made, nil
}

// after supposes that every request due after the offset was good at once.
func (s *supposition) after(at reports.Offset) {
	for i, load := range s.jury.run.loads {
		before, from := s.from[i], sort.Search(len(load.samples), func(n int) bool {
			return s.real[i].samples[n].due > at
		})
		// Those before both are as they were, those after both are good already.
		if from > before {
			copy(load.samples[before:from], s.real[i].samples[before:from])
		}
		for n := from; n < before; n++ {
			one := s.real[i].samples[n]
			load.samples[n] = request{due: one.due, seq: one.seq, result: good, class: sample.Full, answer: one.answer}
		}
		s.from[i] = from
		load.countFrom(min(from, before))
		load.parts = nil
	}
}

// crossing is the due time of the request at which e became false: with it as
// it was and all later ones good, e is false; with it good as well, it is not.
// There is none where e is false whatever the requests came to.
func (j *jury) crossing(native *ast.AST, e ast.Expr) (reports.Offset, bool) {
	if !ofRequests(native, e) {
		return 0, false
	}
	s, err := j.suppose()
	if err != nil || len(s.dues) == 0 {
		return 0, false
	}
	program, err := s.jury.program(textOf(native, e))
	if err != nil {
		return 0, false
	}
	isFalse := func(after reports.Offset) bool { return s.isFalse(program, after) }
	if isFalse(s.dues[0] - 1) {
		return 0, false
	}
	i := sort.Search(len(s.dues), func(i int) bool { return isFalse(s.dues[i]) })
	if i == len(s.dues) {
		return 0, false
	}
	return s.dues[i], true
}

func (s *supposition) isFalse(program cel.Program, after reports.Offset) bool {
	s.after(after)
	value, _, err := program.Eval(s.jury.inputs)
	return err == nil && value == types.False
}

// ofRequests tells whether e looks at requests: at a window, or an event's, or at
// those that an autoscaler left unserved.
func ofRequests(native *ast.AST, e ast.Expr) bool {
	if e.Kind() == ast.SelectKind && e.AsSelect().FieldName() == "unserved" {
		return true
	}
	if name := native.GetType(e.ID()).TypeName(); name == typeWindow || name == typeEvent {
		return true
	}
	return slices.ContainsFunc(children(e), func(child ast.Expr) bool { return ofRequests(native, child) })
}
