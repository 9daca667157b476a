package run

import (
	"testing"
	"testing/synctest"
	"time"

	"squall/reports"
	"squall/scenarios"
	"squall/workloads"
	"squall/workloads/schedule"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestWellNeedsAHoldOfEverything(t *testing.T) {
	const sec = time.Second
	for name, one := range map[string]struct {
		whole, event reports.Offset
		pending      int32
		badTo        reports.Offset // bad from 10 s on
		slow         time.Duration  // good.within of another load
		now          reports.Offset
		want         reports.Offset // the end; 0: not well
	}{
		"long well":                     {5 * sec, 5 * sec, 0, 0, 0, 20 * sec, 19500 * time.Millisecond},
		"not whole":                     {reports.Never, 5 * sec, 0, 0, 0, 20 * sec, 0},
		"whole for less than a hold":    {16600 * time.Millisecond, 5 * sec, 0, 0, 0, 20 * sec, 0},
		"whole for a hold":              {16500 * time.Millisecond, 5 * sec, 0, 0, 0, 20 * sec, 19500 * time.Millisecond},
		"a fault is on":                 {5 * sec, 5 * sec, 1, 0, 0, 20 * sec, 0},
		"an event in what is looked at": {5 * sec, 15600 * time.Millisecond, 0, 0, 0, 20 * sec, 0},
		"an event just before":          {5 * sec, 15500 * time.Millisecond, 0, 0, 0, 20 * sec, 19500 * time.Millisecond},
		"bad before":                    {5 * sec, 5 * sec, 0, 15500 * time.Millisecond, 0, 20 * sec, 19500 * time.Millisecond},
		"bad within":                    {5 * sec, 5 * sec, 0, 15520 * time.Millisecond, 0, 20 * sec, 0},
		"the slowest load counts":       {5 * sec, 10 * sec, 0, 0, 2 * sec, 20 * sec, 17800 * time.Millisecond},
		"also for events":               {5 * sec, 14 * sec, 0, 0, 2 * sec, 20 * sec, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			c := &conductor{warmup: 5 * sec, recorder: newRecorder(newClock(), (&tape{}).add, nil)}
			c.recorder.since = one.whole
			c.lastEvent.Store(int64(one.event))
			c.pending.Store(one.pending)
			fast := newTally()
			serve(fast, 5*sec, one.now, 10*sec, one.badTo)
			c.loads = append(c.loads, generatorOf(fast))
			if one.slow > 0 {
				slow := newTally()
				slow.load.Good.Within = one.slow
				serve(slow, 5*sec, one.now-one.slow, 0, 0)
				c.loads = append(c.loads, generatorOf(slow))
			}
			until, ok := c.well(one.now)
			assert.Equal(t, one.want, until, name)
			assert.Equal(t, one.want > 0, ok, name)
		})
	}
}

// A leg that begins in recovery is waited for, as an event is.
func TestWellWaitsForTheLastLeg(t *testing.T) {
	const sec = time.Second
	for name, one := range map[string]struct {
		leg  reports.Offset // from the start of warmup, at 5 s of the run
		ramp bool
		want bool
	}{
		"long ago":          {5 * sec, false, true},
		"just before":       {10500 * time.Millisecond, false, true},
		"in what is looked": {10600 * time.Millisecond, false, false},
		"still to come":     {20 * sec, false, false},
		"a ramp to the end": {5 * sec, true, false},
	} {
		c := &conductor{warmup: 5 * sec, recorder: newRecorder(newClock(), (&tape{}).add, nil)}
		fast := newTally()
		legs := []schedule.Leg{{Until: one.leg, From: 50_000, To: 50_000}, {Until: time.Hour, From: 50_000, To: 50_000}}
		if one.ramp {
			legs[1].To = 50_001
		}
		var err error
		fast.times, err = schedule.New(legs)
		require.NoError(t, err)
		serve(fast, 5*sec, 20*sec, 0, 0)
		c.loads = append(c.loads, generatorOf(fast))
		_, ok := c.well(20 * sec)
		assert.Equal(t, one.want, ok, name)
	}
}

func TestWhatHappensToAFaultIsNoted(t *testing.T) {
	c := orderly(t)
	c.tell(7*time.Second, reports.EventEntry{Name: "kill", Stage: reports.StageInjected})
	assert.EqualValues(t, 7*time.Second, c.lastEvent.Load())
	c.tell(9*time.Second, reports.EventEntry{Name: "kill", Stage: reports.StageUndone})
	assert.EqualValues(t, 9*time.Second, c.lastEvent.Load())
}

// generatorOf is a generator that has no process.
func generatorOf(results *tally) *generator {
	g := &generator{load: results.load}
	g.tally.load = results.load
	g.tally.from, g.tally.goods, g.tally.times = results.from, results.goods, results.times
	return g
}

func TestWholeSince(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRecorder(newClock(), (&tape{}).add, []workloads.Role{{
			Name: "catalog", Namespace: scenarios.Namespace, Labels: map[string]string{"app": "catalog"}, Desired: 1,
		}})
		assert.Equal(t, reports.Never, r.wholeSince(), "nothing is there")
		time.Sleep(time.Second)
		r.seePod(ready("a", "1"), false)
		time.Sleep(time.Second)
		r.seePod(ready("b", "2"), false)
		r.seePod(ready("a", "3"), true)
		assert.Equal(t, time.Second, r.wholeSince(), "one is enough")
		r.seePod(ready("b", "4"), true)
		assert.Equal(t, reports.Never, r.wholeSince())
		time.Sleep(time.Second)
		r.seePod(ready("c", "5"), false)
		assert.Equal(t, 3*time.Second, r.wholeSince(), "it begins anew")
		assert.Zero(t, newRecorder(newClock(), nil, nil).wholeSince(), "nothing to be whole")
	})
}
