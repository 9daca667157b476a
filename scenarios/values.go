package scenarios

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
)

// MaxRate is the highest rate of one load, in requests a second. It is above
// what one machine that also runs the cluster can honestly send.
const MaxRate = 20_000

// maxDuration bounds every duration of a scenario; longer ones are a slip.
const maxDuration = 24 * time.Hour

// The names of the timed phases, in order.
const (
	PhaseWarmup   = "warmup"
	PhaseSteady   = "steady"
	PhaseFault    = "fault"
	PhaseRecovery = "recovery"
)

// PhaseNames are the timed phases in their order.
func PhaseNames() []string {
	return []string{PhaseWarmup, PhaseSteady, PhaseFault, PhaseRecovery}
}

// Span is where a timed phase lies; offsets count from the start of warmup.
type Span struct {
	Name     string
	From, To time.Duration
}

// Spans lists the timed phases in their order, each beginning where the one
// before ends.
func (p Phases) Spans() []Span {
	spans := make([]Span, 0, 4)
	var from time.Duration
	for i, length := range []time.Duration{p.Warmup, p.Steady, p.Fault, p.Recovery} {
		spans = append(spans, Span{Name: PhaseNames()[i], From: from, To: from + length})
		from += length
	}
	return spans
}

// Total is the length of all timed phases together.
func (p Phases) Total() time.Duration { return p.Warmup + p.Steady + p.Fault + p.Recovery }

// Offset is the moment as a time since the start of warmup; false when its
// phase is none of the timed ones.
func (p Phases) Offset(m Moment) (time.Duration, bool) {
	for _, span := range p.Spans() {
		if span.Name == m.Phase {
			return span.From + m.After, true
		}
	}
	return 0, false
}

// ParseMoment reads "phase+duration", for example "fault+2s". The phase is one
// of [PhaseNames], the duration is not negative.
func ParseMoment(text string) (Moment, error) {
	phase, after, ok := strings.Cut(text, "+")
	if !ok {
		return Moment{}, errors.New(`a moment is a phase, a plus and a duration, for example "fault+2s"`)
	}
	if !slices.Contains(PhaseNames(), phase) {
		return Moment{}, &allowedError{
			problem: fmt.Sprintf("there is no timed phase %s", quote(phase)),
			got:     phase, allowed: PhaseNames(),
		}
	}
	d, err := parseDuration(after)
	if err != nil {
		return Moment{}, fmt.Errorf("after the plus: %w", err)
	}
	return Moment{Phase: phase, After: d}, nil
}

// String is the moment as a scenario writes it.
func (m Moment) String() string { return m.Phase + "+" + m.After.String() }

// ParseRate reads "N/s", a number of requests a second above 0 and at most
// [MaxRate], with at most three decimals.
func ParseRate(text string) (Rate, error) {
	n, err := perSecond(text)
	if err == nil && (n <= 0 || n > MaxRate) {
		err = fmt.Errorf("a rate is above 0/s and at most %d/s", MaxRate)
	}
	return Rate(n), err
}

// ParseLegRate reads a rate as [ParseRate] does, or a pause, "0/s".
func ParseLegRate(text string) (LegRate, error) {
	n, err := perSecond(text)
	if err == nil && n > MaxRate {
		err = fmt.Errorf("the rate of a leg is at least 0/s, which is a pause, and at most %d/s", MaxRate)
	}
	return LegRate(n), err
}

// perSecond reads "N/s".
func perSecond(text string) (float64, error) {
	if !regexp.MustCompile(`^[0-9]{1,6}(\.[0-9]{1,3})?/s$`).MatchString(text) {
		return 0, errors.New(`a rate is a number of requests a second with at most three decimals, for example "200/s"`)
	}
	return strconv.ParseFloat(strings.TrimSuffix(text, "/s"), 64)
}

// String is the rate as a scenario writes it.
func (r Rate) String() string { return strconv.FormatFloat(float64(r), 'f', -1, 64) + "/s" }

// String is the rate as a scenario writes it.
func (r LegRate) String() string { return Rate(r).String() }

// ParseStatus reads a set of HTTP statuses: codes from 100 to 599 and classes
// 1xx to 5xx, separated by commas. The result is sorted and without repeats.
func ParseStatus(text string) (Status, error) {
	if len(text) > 1000 {
		return "", errors.New("the set is too long; name classes, for example 2xx")
	}
	parts := strings.Split(text, ",")
	for i, part := range parts {
		parts[i] = strings.TrimSpace(part)
		if !regexp.MustCompile(`^[1-5]([0-9][0-9]|xx)$`).MatchString(parts[i]) {
			return "", fmt.Errorf("entry %d is neither a status from 100 to 599 nor a class from 1xx to 5xx; write for example 2xx or 200,204,3xx", i+1)
		}
	}
	slices.Sort(parts)
	return Status(strings.Join(slices.Compact(parts), ",")), nil
}

// Has tells whether an answer's status belongs to the set.
func (s Status) Has(code int) bool {
	if code < 100 || code > 599 {
		return false
	}
	exact := strconv.Itoa(code)
	for part := range strings.SplitSeq(string(s), ",") {
		if part == exact || part == exact[:1]+"xx" {
			return true
		}
	}
	return false
}

// parseDuration reads a duration of at least zero, in Go's notation.
func parseDuration(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	switch {
	case err != nil:
		return 0, errors.New("a duration is a number with a unit (ms, s, m, h), for example 250ms or 1m30s")
	case d < 0:
		return 0, errors.New("a duration is not negative")
	case d > maxDuration:
		return 0, fmt.Errorf("no duration in a scenario is above %s", maxDuration)
	}
	return d, nil
}

// parseQuantity reads a Kubernetes quantity in its plain forms. Exponents are
// left out: nobody sizes a node with them, and huge ones cost time to read.
func parseQuantity(text string) (resource.Quantity, error) {
	problem := errors.New("a size is a number with an optional unit (m, k, M, G, T, Ki, Mi, Gi, Ti), for example 2, 500m or 2Gi")
	if !regexp.MustCompile(`^[0-9]{1,12}(\.[0-9]{1,3})?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$`).MatchString(text) {
		return resource.Quantity{}, problem
	}
	q, err := resource.ParseQuantity(text)
	if err != nil {
		return resource.Quantity{}, problem
	}
	return q, nil
}

// allowedError is an error about a name that could only be one of a few.
type allowedError struct {
	problem, got string
	allowed      []string
}

// Error says what is wrong and what is allowed.
func (e *allowedError) Error() string {
	return e.problem + "; allowed: " + strings.Join(e.allowed, ", ")
}
