package run

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"squall/cluster"
	"squall/reports"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// irremovable is a cluster, and its provider, that cannot be removed.
type irremovable struct {
	cluster.Cluster
	cluster.Provider
	why error
}

func (irremovable) Info() cluster.Info                         { return cluster.Info{Name: "stuck"} }
func (irremovable) CPUSeconds() (float64, error)               { return 0, errors.New("none answers") }
func (i irremovable) Remove(_ context.Context, _ string) error { return i.why }

func TestAClusterThatCannotBeRemoved(t *testing.T) {
	for name, c := range map[string]struct {
		why  error
		want reports.TroubleClass
	}{
		"the engine is gone": {fmt.Errorf("%w: no engine answers", cluster.ErrHost), reports.TroubleEnvironment},
		"for no good reason": {errors.New("device or resource busy"), reports.TroubleInternal},
	} {
		t.Run(name, func(t *testing.T) {
			dir, stuck := t.TempDir(), irremovable{why: c.why}
			journal, err := reports.Create(dir, reports.Header{}, []byte("{}"), []byte("{}"))
			require.NoError(t, err)
			tape := &tape{}
			conductor := &conductor{cluster: stuck, options: Options{Provider: stuck}, journal: journal, clock: newClock()}
			conductor.recorder = newRecorder(conductor.clock, tape.add, nil)
			require.NoError(t, conductor.finish())
			rec, err := reports.Open(dir)
			require.NoError(t, err)
			var troubles []reports.TroubleEntry
			for _, e := range rec.Entries {
				if e.Trouble != nil {
					troubles = append(troubles, *e.Trouble)
				}
			}
			require.Len(t, troubles, 1)
			assert.Equal(t, c.want, troubles[0].Class)
			assert.Contains(t, troubles[0].What, `the cluster "stuck" could not be removed`)
			assert.Contains(t, troubles[0].What, c.why.Error())
		})
	}
}
