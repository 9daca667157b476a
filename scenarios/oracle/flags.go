package oracle

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// controllerManager is the component whose flags decide about lost nodes.
const controllerManager = "kube-controller-manager"

// Components are those whose flags bear on predictions.
func Components() []string { return []string{"kube-apiserver", controllerManager, "kube-scheduler"} }

// FlagsOf reads the flags of a program's command line, without the program's name:
// "--name=value", "--name value" and "--name", which is "true".
func FlagsOf(args []string) map[string]string {
	flags := map[string]string{}
	for i := 0; i < len(args); i++ {
		name, dashed := strings.CutPrefix(args[i], "--")
		if !dashed {
			continue
		}
		name, value, given := strings.Cut(name, "=")
		switch {
		case given:
		case i+1 < len(args) && !strings.HasPrefix(args[i+1], "--"):
			i++
			value = args[i]
		default:
			value = "true"
		}
		flags[name] = value
	}
	return flags
}

// reader reads the values of a component's flags and keeps all that is wrong.
type reader struct {
	component string
	given     map[string]string
	wrong     error
}

func (r *reader) duration(flag string, otherwise time.Duration) time.Duration {
	text, given := r.given[flag]
	if !given {
		return otherwise
	}
	d, err := time.ParseDuration(text)
	r.note(flag, text, err)
	return d
}

func (r *reader) number(flag string, otherwise float64) float64 {
	text, given := r.given[flag]
	if !given {
		return otherwise
	}
	n, err := strconv.ParseFloat(text, 64)
	r.note(flag, text, err)
	return n
}

func (r *reader) note(flag, text string, err error) {
	if err != nil {
		r.wrong = errors.Join(r.wrong, fmt.Errorf("read --%s=%s of %s: %w", flag, text, r.component, err))
	}
}
