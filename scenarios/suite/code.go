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

// maxRetries keeps a host that is never fit from being tried all day.
const maxRetries = 10

// CheckOnInconclusive says what is wrong with a text that says what an
// inconclusive run comes to. Right are nothing (it counts, with exit code 3),
// "fail" (it counts as a failure, exit code 1), "ignore" (it counts as nothing,
// exit code 0), and "retry:N" (it is repeated up to N times, N from 1 to 10, and
// counts with exit code 3 when all are inconclusive).
func CheckOnInconclusive(text string) error {
	_, err := parsePolicy(text)
	return err
}

func parsePolicy(text string) (policy, error) {
	switch text {
	case "":
		return policy{code: codeInconclusive}, nil
	case "fail":
		return policy{code: codeFail}, nil
	case "ignore":
		return policy{code: codeGood}, nil
	}
	if count, ok := strings.CutPrefix(text, "retry:"); ok {
		if n, err := strconv.Atoi(count); err == nil && n >= 1 && n <= maxRetries {
			return policy{code: codeInconclusive, retries: n}, nil
		}
	}
	return policy{}, fmt.Errorf("what to do on an inconclusive run: %q is not allowed; allowed: fail, ignore, retry:N with N from 1 to %d", text, maxRetries)
}

// code is the suite's exit code.
func (s *suite) code(ctx context.Context, err error) int {
	code := codeGood
	for _, i := range s.settled {
		v := s.result.Verdicts[i]
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
	case err != nil && s.options.unfit(err):
		code = worse(code, codeInconclusive)
	case err != nil:
		code = worse(code, codeError)
	}
	return code
}

// unfit tells whether err says that the host cannot make clusters.
func (o Options) unfit(err error) bool { return o.Unfit != nil && o.Unfit(err) }

// worse is the worse of two exit codes.
func worse(a, b int) int {
	order := []int{codeGood, codeInconclusive, codeFail, codeError}
	return order[max(slices.Index(order, a), slices.Index(order, b))]
}
