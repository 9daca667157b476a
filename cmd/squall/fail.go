package main

// Output rules. Results go to standard output, all else to standard error. A
// failure is one "squall: error:" line that says what went wrong, on what and
// why, then "squall: hint:" lines that say what to do. Findings about a file
// come before it, one a line, as file:line:column. Everything that goes wrong
// passes through cli.report; verbs return errors and print none.

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"squall/scenarios"
)

// failure is an error with its way out and its exit code.
type failure struct {
	code  int
	err   error
	hints []string
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// misuse is for a command line, or a file given on it, that is wrong.
func misuse(err error, hints ...string) error {
	return &failure{code: exitMisuse, err: err, hints: hints}
}

// unfit is for a host that cannot do what is asked.
func unfit(err error, hints ...string) error {
	return &failure{code: exitInconclusive, err: err, hints: hints}
}

// hintsOf are the ways out that errors know.
func hintsOf(errs []error) []string {
	var hints []string
	for _, err := range errs {
		var known *failure
		if errors.As(err, &known) {
			hints = append(hints, known.hints...)
		}
	}
	return hints
}

// hinted adds ways out to a failure.
func hinted(err error, hints ...string) error {
	var known *failure
	if !errors.As(err, &known) {
		return err
	}
	if err == error(known) {
		err = known.err
	}
	return &failure{code: known.code, err: err, hints: append(slices.Clone(known.hints), hints...)}
}

// outcome ends a verb that has said all it has to say: an exit code and no
// message.
type outcome int

func (o outcome) Error() string { return fmt.Sprintf("exit code %d", int(o)) }

// ended turns an exit code into what a verb returns.
func ended(code int) error {
	if code == exitDone {
		return nil
	}
	return outcome(code)
}

// report tells the user of a failure, if err is one, and returns the exit code.
func (c *cli) report(ctx context.Context, err error) int {
	var done outcome
	var known *failure
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &done):
		return int(done)
	case errors.As(err, &known):
		c.complain(err, known.hints)
		return known.code
	case ctx.Err() != nil:
		c.complain(err, nil)
		return exitInconclusive
	}
	c.complain(err, []string{`"squall doctor" checks this host, "squall clean" removes what a killed run left`})
	return exitError
}

// complain writes an error and its hints.
func (c *cli) complain(err error, hints []string) {
	var invalid *invalidFiles
	if errors.As(err, &invalid) {
		for _, e := range invalid.each {
			fmt.Fprintln(c.stderr, e.Error())
		}
	}
	for _, one := range parts(err) {
		fmt.Fprintln(c.stderr, "squall: error: "+strings.TrimRight(one.Error(), "\n"))
	}
	for _, hint := range hints {
		fmt.Fprintln(c.stderr, "squall: hint: "+hint)
	}
}

// parts are the errors that were joined into err, or err alone.
func parts(err error) []error {
	if known, ok := err.(*failure); ok {
		err = known.err
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var texts []string
	for _, one := range joined.Unwrap() {
		texts = append(texts, one.Error())
	}
	if err.Error() != strings.Join(texts, "\n") {
		return []error{err} // it says more than its parts do
	}
	var all []error
	for _, one := range joined.Unwrap() {
		all = append(all, parts(one)...)
	}
	return all
}

// invalidFiles are scenario files with findings.
type invalidFiles struct{ each []*scenarios.InvalidError }

func (e *invalidFiles) Error() string {
	var names []string
	found := 0
	for _, one := range e.each {
		names = append(names, one.Findings[0].File)
		found += len(one.Findings) + one.More
	}
	verb, noun := "is not a valid scenario", "findings"
	if len(names) > 1 {
		verb = "are not valid scenarios"
	}
	if found == 1 {
		noun = "finding"
	}
	return fmt.Sprintf("%s %s: %d %s", strings.Join(names, ", "), verb, found, noun)
}
