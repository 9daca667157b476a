package run

import (
	"testing"
	"testing/synctest"
	"time"

	"squall/reports"
	"squall/scenarios"
	"squall/workloads"

	"github.com/stretchr/testify/assert"
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
	g.tally.from, g.tally.goods = results.from, results.goods
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
