package judge

import (
	"errors"
	"fmt"
)

// absence says why a measure has no value. An expectation that needs it is
// neither true nor false.
type absence struct {
	why string
	// calm is set when it is absent because the run was calm, as it should be.
	calm bool
}

func (a *absence) Error() string { return a.why }

func absent(format string, args ...any) *absence {
	return &absence{why: fmt.Sprintf(format, args...)}
}

// isCalm tells whether err is the absence of an event from a calm run.
func isCalm(err error) bool {
	var a *absence
	return errors.As(err, &a) && a.calm
}
