package judge

import (
	"math/rand/v2"
	"testing"

	"squall/reports"

	"github.com/stretchr/testify/assert"
)

// random makes a series of requests within [0, span), due at whole nanoseconds
// so that every start of a window can be tried.
func random(r *rand.Rand, span int) *series {
	s := &series{}
	for due := range span {
		for r.IntN(4) == 0 {
			s.samples = append(s.samples, request{
				due: reports.Offset(due), seq: uint64(len(s.samples)), result: result(r.IntN(3)),
			})
		}
	}
	s.seal()
	return s
}

func TestWorstTriesEveryWindow(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		s := random(r, 1+r.IntN(40))
		from := reports.Offset(r.IntN(10))
		to := from + reports.Offset(r.IntN(40))
		d := reports.Offset(1 + r.IntN(15))
		want, found := 1.0, false
		for start := from; start+d <= to; start++ {
			if goods, lost, _ := s.tally(start, start+d); goods+lost > 0 {
				want, found = min(want, float64(goods)/float64(goods+lost)), true
			}
		}
		got, ok := s.worst(from, to, d)
		assert.Equal(t, found, ok)
		assert.Equal(t, want, got)
	}
}

func TestQuantileIsTheNearestRank(t *testing.T) {
	var all []reports.Offset
	for i := range 10_000 {
		all = append(all, reports.Offset(i+1))
	}
	for percent, want := range map[float64]reports.Offset{
		50: 5000, 90: 9000, 99: 9900, 99.9: 9990, 99.99: 9999, 100: 10_000, 0.001: 1, 99.991: 10_000,
	} {
		assert.Equal(t, want, quantile(all, percent), "%v", percent)
	}
	for tenths := 1; tenths <= 1000; tenths++ {
		assert.Equal(t, reports.Offset(tenths), quantile(all[:1000], float64(tenths)/10), "%d/10 %% of 1000", tenths)
	}
	assert.Equal(t, reports.Offset(0), quantile(nil, 50))
	assert.Equal(t, reports.Offset(7), quantile([]reports.Offset{7}, 1))
}
