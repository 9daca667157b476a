package run

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"squall/reports"
	"squall/scenarios"
	"squall/workloads/sample"
	"squall/workloads/schedule"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRecoveryEnds(t *testing.T) {
	phase := span{from: 10 * time.Second, to: 30 * time.Second}
	const age = 500 * time.Millisecond // of what is known
	for name, one := range map[string]struct {
		wellFrom reports.Offset
		want     reports.Offset // the end of what was looked at, which is half a second old
	}{
		"never before a hold": {0, 13 * time.Second},
		"once all is well":    {17250 * time.Millisecond, 17300 * time.Millisecond},
		"where that is known": {13 * time.Second, 13 * time.Second},
		"as planned":          {reports.Never, 30 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			c := newClock()
			require.NoError(t, c.wait(t.Context(), phase.from))
			got, err := c.recover(t.Context(), phase, func(now reports.Offset) (reports.Offset, bool) {
				return now - age, now-age >= one.wellFrom
			})
			require.NoError(t, err)
			assert.Equal(t, one.want, got, name)
			assert.Equal(t, min(one.want+age, phase.to), c.now(), name)
		})
	}
	synctest.Test(t, func(t *testing.T) { // shorter than a hold
		got, err := newClock().recover(t.Context(), span{0, time.Second}, func(now reports.Offset) (reports.Offset, bool) { return now, true })
		require.NoError(t, err)
		assert.Equal(t, time.Second, got)
	})
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeoutCause(t.Context(), 5*time.Second, errControlC)
		defer cancel()
		c := newClock()
		_, err := c.recover(ctx, span{0, time.Minute}, func(reports.Offset) (reports.Offset, bool) { return 0, false })
		require.ErrorIs(t, err, errControlC)
		assert.Equal(t, 5*time.Second, c.now())
	})
}

// serve adds the results of requests at 50 a second, all good but those due in
// [badFrom, badTo).
func serve(tally *tally, from, to, badFrom, badTo reports.Offset) {
	for due := from; due < to; due += 20 * time.Millisecond {
		a := sample.Answer{Code: 200}
		if due >= badFrom && due < badTo {
			a.Code = 503
		}
		tally.add(sample.Sample{Due: due, Done: due + time.Millisecond, Answer: &a})
	}
}

// steadily is a rate that holds for an hour.
func steadily(rate float64) schedule.Schedule {
	s, err := schedule.New(schedule.Hold(schedule.Thousandths(rate), time.Hour))
	if err != nil {
		panic(err)
	}
	return s
}

func newTally() *tally {
	t := &tally{load: scenarios.Load{Good: scenarios.Good{Status: "2xx", Within: 250 * time.Millisecond}}, times: steadily(50)}
	t.begin(5 * time.Second)
	return t
}

func TestServed(t *testing.T) {
	const sec = time.Second
	ms := func(n int) reports.Offset { return reports.Offset(n) * time.Millisecond }
	// Results are looked at as old as within and onTheWay: 450 ms.
	for name, one := range map[string]struct {
		to, badFrom, badTo, now reports.Offset
		want                    bool
	}{
		"all good":                     {20 * sec, 0, 0, 20 * sec, true},
		"too young a load":             {9 * sec, 0, 0, 9 * sec, false},
		"just old enough":              {ms(9450), 0, 0, ms(9450), true},
		"bad within the hold":          {20 * sec, 16 * sec, ms(16020), 20 * sec, false},
		"bad before the hold":          {20 * sec, 15 * sec, ms(15500), 20 * sec, true},
		"answers stopped":              {18 * sec, 0, 0, 20 * sec, false},
		"the newest are not waited on": {ms(19560), 0, 0, 20 * sec, true},
	} {
		tally := newTally()
		serve(tally, 5*sec, one.to, one.badFrom, one.badTo)
		assert.Equal(t, one.want, tally.served(one.now-450*time.Millisecond, hold+margin), name)
	}
}

func TestTallyCounts(t *testing.T) {
	tally := newTally()
	due := 6 * time.Second
	for _, one := range []struct {
		done time.Duration
		sample.Answer
	}{
		{due + 250*time.Millisecond, sample.Answer{Code: 200}},
		{due + 251*time.Millisecond, sample.Answer{Code: 200}},
		{due, sample.Answer{Code: 500}},
		{due, sample.Answer{Error: "connection refused"}},
		{0, sample.Answer{Skipped: true}},
	} {
		tally.add(sample.Sample{Due: due, Done: one.done, Answer: &one.Answer})
	}
	ended, bad := tally.counts()
	assert.Equal(t, []uint64{4, 3}, []uint64{ended, bad})

	for rate, perSecond := range map[float64]int{10: 10, 7: 7, 200: 200, 0.5: 1, 0.001: 1} {
		tally.times = steadily(rate)
		assert.Equal(t, perSecond, tally.due(0, 10), "%v/s in the first second", rate)
	}
	tally.times = steadily(50)
	for at := range 100 { // 1.1 s · 50/s is a bit more than 55 in floating point
		assert.Equal(t, 5, tally.due(at, at+1), at)
	}
}

func TestTroubleOf(t *testing.T) {
	died := troubled(reports.TroubleGenerator, "it died")
	ctx, end := context.WithCancelCause(t.Context())
	assert.Equal(t, troubled(reports.TroubleEnvironment, "no room"), troubleOf(ctx, errors.New("no room")))
	assert.Same(t, died, troubleOf(ctx, died))
	end(died)
	assert.Same(t, died, troubleOf(ctx, errors.New("connection refused")), "the cause explains what came of it")

	ctx, end = context.WithCancelCause(t.Context())
	end(errControlC)
	got := troubleOf(ctx, errors.New("connection refused"))
	assert.Equal(t, troubled(reports.TroubleInterrupted, "the run was interrupted: Ctrl-C"), got)
}
