package suite

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"squall/reports"
	"squall/scenarios/judge"
)

// The exit codes of design.md's section "Verdict" that are decided here.
const (
	codeGood         = 0
	codeFail         = 1
	codeInconclusive = 3
	codeError        = 4
)

// policy is what an inconclusive run comes to.
type policy struct {
	code    int // what it counts as
	retries int // how often it is repeated before it counts
}

// CheckOnInconclusive says what is wrong with a text that says what an
// inconclusive run comes to. Right are "fail", which is also what nothing means
// (it counts, with exit code 3), "ignore" (it counts as nothing, exit code 0), and
// "retry:N" (it is repeated up to N times, N from 1, and counts when all are
// inconclusive).
func CheckOnInconclusive(text string) error {
	_, err := parsePolicy(text)
	return err
}

func parsePolicy(text string) (policy, error) {
	switch text {
	case "", "fail":
		return policy{code: codeInconclusive}, nil
	case "ignore":
		return policy{code: codeGood}, nil
	}
	if count, ok := strings.CutPrefix(text, "retry:"); ok {
		if n, err := strconv.Atoi(count); err == nil && n >= 1 {
			return policy{code: codeInconclusive, retries: n}, nil
		}
	}
	return policy{}, fmt.Errorf("what to do on an inconclusive run: %q is not allowed; allowed: fail, ignore, retry:N with N from 1", text)
}

// code is the suite's exit code.
func (s *suite) code(ctx context.Context, err error) int {
	code := codeGood
	for _, v := range s.settled {
		one := judge.ExitCode(v)
		if v.Outcome == reports.Inconclusive {
			one = s.policy.code
		}
		code = worse(code, one)
	}
	if len(s.result.Vacuous) > 0 {
		code = worse(code, codeFail)
	}
	switch {
	case ctx.Err() != nil: // whatever was still to come is not known, also when it would have been ignored
		code = worse(code, codeInconclusive)
	case err != nil:
		code = worse(code, codeError)
	}
	return code
}

// worse is the worse of two exit codes.
func worse(a, b int) int {
	order := []int{codeGood, codeInconclusive, codeFail, codeError}
	return order[max(slices.Index(order, a), slices.Index(order, b))]
}
