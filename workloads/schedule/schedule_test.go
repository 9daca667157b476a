package schedule_test

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
	"time"

	"squall/workloads/schedule"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// made makes a schedule of sound legs.
func made(t testing.TB, legs ...schedule.Leg) schedule.Schedule {
	t.Helper()
	s, err := schedule.New(legs)
	require.NoError(t, err)
	return s
}

// random draws up to six legs, pauses among them.
func random(r *rand.Rand) []schedule.Leg {
	var legs []schedule.Leg
	var until time.Duration
	rate := func() schedule.Milli {
		switch r.IntN(5) {
		case 0:
			return 0
		case 1:
			return schedule.Milli(r.Int64N(int64(schedule.MaxRate) + 1))
		}
		return schedule.Milli(r.IntN(200_000))
	}
	for range 1 + r.IntN(6) {
		until += time.Duration(1 + r.Int64N(int64(2*time.Second)))
		one := schedule.Leg{Until: until, From: rate()}
		if one.To = one.From; r.IntN(2) == 0 {
			one.To = rate()
		}
		legs = append(legs, one)
	}
	return legs
}

// under is the exact area under the legs up to a moment, in requests.
func under(legs []schedule.Leg, moment *big.Rat) *big.Rat {
	sum, start := new(big.Rat), new(big.Rat)
	for _, one := range legs {
		end := new(big.Rat).SetInt64(int64(one.Until))
		length := new(big.Rat).Sub(end, start)
		passed := new(big.Rat).Sub(moment, start)
		if passed.Sign() <= 0 {
			break
		}
		if passed.Cmp(length) > 0 {
			passed = length
		}
		// from·x + (to − from)·x²/(2·length), in thousandths times nanoseconds.
		flat := new(big.Rat).Mul(new(big.Rat).SetInt64(int64(one.From)), passed)
		slope := new(big.Rat).Quo(new(big.Rat).SetInt64(int64(one.To-one.From)), new(big.Rat).Mul(length, big.NewRat(2, 1)))
		sum.Add(sum, flat)
		sum.Add(sum, slope.Mul(slope, new(big.Rat).Mul(passed, passed)))
		start = end
	}
	return sum.Quo(sum, big.NewRat(1e12, 1))
}

// exceeds tells whether the area up to a moment, given in halves of a
// nanosecond, is more than n.
func exceeds(legs []schedule.Leg, halves int64, n uint64) bool {
	return under(legs, big.NewRat(halves, 2)).Cmp(new(big.Rat).SetUint64(n)) > 0
}

func TestEveryRequestIsDueWhereTheAreaExceedsItsNumber(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 1))
	for range 400 {
		legs := random(r)
		s := made(t, legs...)
		count := s.Count(s.End())
		if count == 0 {
			continue
		}
		for _, n := range []uint64{0, count - 1, r.Uint64N(count), r.Uint64N(count)} {
			due := int64(s.Due(n))
			require.True(t, exceeds(legs, 2*due+1, n), "%+v: request %d is due at %d, before the area is there", legs, n, due)
			require.False(t, exceeds(legs, 2*due-1, n), "%+v: request %d is due at %d, after the area is there", legs, n, due)
		}
	}
}

func TestCountIsTheIntegral(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(2, 2))
	for range 400 {
		legs := random(r)
		s := made(t, legs...)
		for range 5 {
			moment := time.Duration(r.Int64N(int64(s.End()) + 1))
			area, _ := under(legs, big.NewRat(int64(moment), 1)).Float64()
			assert.InDelta(t, area, float64(s.Count(moment)), 1, "%+v before %d", legs, moment)
		}
		assert.Equal(t, s.Count(s.End()), s.Count(s.End()+time.Hour), "nothing is due after the end")
		assert.Zero(t, s.Count(0))
		assert.Zero(t, s.Count(-time.Second))
	}
}

func TestDueTimesNeverGoBack(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 3))
	for range 50 {
		s := made(t, random(r)...)
		last := time.Duration(0)
		count := min(s.Count(s.End()), 20_000)
		for n := range count {
			due := s.Due(n)
			require.GreaterOrEqual(t, due, last)
			last = due
		}
		if count > 0 {
			assert.Less(t, last, s.End())
		}
		assert.GreaterOrEqual(t, s.Due(s.Count(s.End())), s.End(), "the first that is not counted is not due before the end")
	}
}

// A rate that holds is what it was before there were legs: n / rate, rounded.
// Floats hit it exactly but where they cannot, which costs them a nanosecond.
func TestAHeldRateIsNumberByRate(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(4, 4))
	differ := 0
	const tries = 20_000
	for range tries {
		rate := schedule.Milli(1 + r.IntN(20_000_000))
		n := r.Uint64N(1_000_000)
		due := made(t, schedule.Hold(rate, time.Hour)...).Due(n)
		before := time.Duration(math.Round(float64(n) * float64(time.Second) / rate.PerSecond()))
		require.InDelta(t, float64(before), float64(due), max(1, float64(due)/1e14), "%v/s, request %d", rate.PerSecond(), n)
		if before != due {
			differ++
		}
	}
	assert.Less(t, differ, tries/100)
	// One hold cut into many is the same as one.
	whole := made(t, schedule.Hold(7_001, 10*time.Second)...)
	var cut []schedule.Leg
	for i := range 100 {
		cut = append(cut, schedule.Hold(7_001, time.Duration(i+1)*100*time.Millisecond)...)
	}
	parts := made(t, cut...)
	require.Equal(t, uint64(71), whole.Count(time.Hour))
	for n := range uint64(71) {
		assert.Equal(t, whole.Due(n), parts.Due(n), "request %d", n)
	}
}

func TestKnownDueTimes(t *testing.T) {
	t.Parallel()
	const sec = time.Second
	// Up from 0 to 2/s in 2 s: the area is t²/2, so request n is due at √(2n).
	up := made(t, schedule.Leg{Until: 2 * sec, To: 2000})
	assert.Equal(t, uint64(2), up.Count(time.Hour))
	assert.Zero(t, up.Due(0))
	assert.Equal(t, 1_414_213_562*time.Nanosecond, up.Due(1))
	assert.Equal(t, 2*sec, up.Due(2))
	assert.Equal(t, 2*sec, up.Due(1000), "there is no room for it")
	// Down from 2/s to 0 in 2 s is the mirror: 2t − t²/2 = 1 at 2 − √2.
	down := made(t, schedule.Leg{Until: 2 * sec, From: 2000})
	assert.Equal(t, uint64(2), down.Count(time.Hour))
	assert.Equal(t, 585_786_438*time.Nanosecond, down.Due(1))
	// 10/s, a pause, 10/s: request 10 waits for the end of the pause.
	pause := made(t, schedule.Leg{Until: sec, From: 10_000, To: 10_000}, schedule.Leg{Until: 3 * sec}, schedule.Leg{Until: 4 * sec, From: 10_000, To: 10_000})
	assert.Equal(t, 900*time.Millisecond, pause.Due(9))
	assert.Equal(t, 3*sec, pause.Due(10))
	assert.Equal(t, uint64(10), pause.Count(3*sec))
	assert.Equal(t, uint64(20), pause.Count(4*sec))
	// A day of the steepest ramp fits into the arithmetic.
	long := made(t, schedule.Leg{Until: schedule.MaxRamp, To: schedule.MaxRate})
	assert.Equal(t, uint64(4_320_000_000), long.Count(schedule.MaxRamp))
	assert.Equal(t, schedule.MaxRamp, long.Due(4_320_000_000))
	assert.Equal(t, schedule.MaxRamp/2, long.Due(1_080_000_000))
}

func TestRateAndSettled(t *testing.T) {
	t.Parallel()
	const sec = time.Second
	s := made(t, schedule.Leg{Until: 10 * sec, From: 20_000, To: 20_000}, schedule.Leg{Until: 40 * sec, From: 20_000, To: 120_000},
		schedule.Leg{Until: 50 * sec, From: 120_000, To: 20_001}, schedule.Leg{Until: 60 * sec})
	for at, want := range map[time.Duration]schedule.Milli{
		-sec: 20_000, 0: 20_000, 10 * sec: 20_000, 25 * sec: 70_000, 25*sec + 1: 70_000, 40 * sec: 120_000, 45 * sec: 70_000, 50 * sec: 0, time.Hour: 0,
	} {
		assert.Equal(t, want, s.Rate(at), "%s", at)
	}
	assert.Equal(t, 50*sec, s.Settled())
	assert.Equal(t, 2*sec, made(t, schedule.Leg{Until: sec, From: 1, To: 1}, schedule.Leg{Until: 2 * sec, From: 1, To: 2}).Settled(), "a ramp is over at its end")
	assert.Zero(t, made(t, schedule.Hold(1, sec)...).Settled())
	var none schedule.Schedule
	assert.Zero(t, none.Due(3)+none.Settled()+none.End()+time.Duration(none.Count(sec))+time.Duration(none.Rate(sec)))
}

func TestWrongLegsAreRefused(t *testing.T) {
	t.Parallel()
	_, err := schedule.New([]schedule.Leg{{Until: 0}, {Until: time.Second, From: -1}, {Until: 48 * time.Hour, To: 1}, {Until: time.Hour}})
	require.Error(t, err)
	for _, part := range []string{"leg 1 ends at 0s", "rate of leg 2 is not from 0/s", "leg 3 changes for longer", "leg 4 ends at 1h0m0s, which is not after 48h"} {
		assert.ErrorContains(t, err, part)
	}
	_, err = schedule.New(nil)
	require.ErrorContains(t, err, "from 1 to 1000 legs, not 0")
}

func BenchmarkDue(b *testing.B) {
	s := made(b, schedule.Leg{Until: time.Minute, From: 1000, To: 1000}, schedule.Leg{Until: time.Hour, From: 1000, To: 20_000_000})
	for n := uint64(0); b.Loop(); n++ {
		s.Due(n * 1000)
	}
}
