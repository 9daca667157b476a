package run

import (
	"context"
	"errors"
	"fmt"

	"squall/reports"
)

// trouble is why a run ended early, or why it proves less than it should.
type trouble struct {
	class reports.TroubleClass
	what  string
}

// Error is the sentence.
func (t *trouble) Error() string { return t.what }

func troubled(class reports.TroubleClass, format string, args ...any) *trouble {
	return &trouble{class: class, what: fmt.Sprintf(format, args...)}
}

// troubleOf says whose fault it is that a run ended with err, inside ctx.
// What has no class of its own came from the cluster or from what runs in it.
func troubleOf(ctx context.Context, err error) *trouble {
	var t *trouble
	if cause := context.Cause(ctx); errors.As(cause, &t) {
		return t // what ended the run explains the errors that came of it
	} else if cause != nil {
		return troubled(reports.TroubleInterrupted, "the run was interrupted: %v", cause)
	}
	if errors.As(err, &t) {
		return t
	}
	return troubled(reports.TroubleEnvironment, "%v", err)
}

// trouble records a trouble and shows it.
func (c *conductor) trouble(t *trouble) {
	what := c.recorder.secrets.text(t.what) // it may have lines of a log in it
	c.add(reports.Entry{
		At: c.clock.now(), Kind: reports.KindTrouble,
		Trouble: &reports.TroubleEntry{Class: t.class, What: what},
	})
	c.show.say("trouble (%s): %s", t.class, what)
}
