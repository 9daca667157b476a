package run

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"path/filepath"
	"testing"
	"time"

	"squall/cluster"
	"squall/reports"
	"squall/scenarios"
	"squall/workloads/traffic"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// named is a cluster that is only asked for what it is called.
type named struct{ cluster.Cluster }

func (named) Info() cluster.Info { return cluster.Info{DNS: "10.0.0.10"} }

func TestNoRequestIsCutOffBeforeItIsBad(t *testing.T) {
	for within, want := range map[time.Duration]time.Duration{
		250 * time.Millisecond:  traffic.DefaultTimeout,
		4 * time.Second:         traffic.DefaultTimeout,
		4500 * time.Millisecond: 5500 * time.Millisecond,
		time.Minute:             61 * time.Second,
	} {
		c := orderly(t)
		load := c.scenario.Spec.Load[0]
		load.Good.Within = within
		in, stdin := io.Pipe()
		c.loads = []*generator{{load: load, stdin: stdin}}
		ordered := make(chan error, 1)
		go func() { ordered <- c.orderLoads() }()
		line, err := bufio.NewReader(in).ReadBytes('\n')
		require.NoError(t, err)
		require.NoError(t, <-ordered)
		var spec traffic.Spec
		require.NoError(t, json.Unmarshal(line, &spec))
		assert.Equal(t, want, spec.Timeout, within)
	}
}

// orderly is a conductor that can give orders and keep a record.
func orderly(t *testing.T) *conductor {
	t.Helper()
	s := podKill(t, "{warmup: 1s, steady: 1s, fault: 3s, recovery: 4s}")
	c, err := newConductor(s, Options{Traffic: []string{"none"}, Live: reports.NewLive(io.Discard, false)})
	require.NoError(t, err)
	t.Cleanup(c.options.Live.Close)
	c.clock, c.cluster = newClock(), named{}
	c.journal, err = reports.Create(filepath.Join(t.TempDir(), "run"), reports.Header{}, nil, nil)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, c.journal.Close()) })
	return c
}

func TestGeneratorThatStopsByItself(t *testing.T) {
	for name, one := range map[string]struct {
		said   traffic.Summary
		err    error
		ending bool
		want   string
	}{
		"it was told to":     {traffic.Summary{Stopped: true}, nil, true, ""},
		"it was through":     {traffic.Summary{}, nil, false, ""},
		"nobody had told it": {traffic.Summary{Stopped: true, Planned: 3, Sent: 3}, nil, false, `the generator of load "browse" stopped early`},
		"it died":            {traffic.Summary{}, errors.New("killed"), false, `the generator of load "browse" died: killed`},
	} {
		c := orderly(t)
		ctx, abort := context.WithCancelCause(t.Context())
		c.closeLoad(&generator{load: scenarios.Load{Name: "browse"}, ordered: true, ending: one.ending}, one.said, one.err, abort)
		cause := context.Cause(ctx)
		abort(nil)
		if one.want == "" {
			assert.NoError(t, cause, name)
			continue
		}
		var got *trouble
		require.ErrorAs(t, cause, &got, name)
		assert.Equal(t, reports.TroubleGenerator, got.class, name)
		assert.Contains(t, got.what, one.want, name)
	}
}
