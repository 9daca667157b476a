package draw_test

import (
	"math"
	"strconv"
	"strings"
	"testing"

	"squall/workloads/draw"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// filled is the text of request n.
func filled(t testing.TB, text string, from draw.Source, n uint64) string {
	t.Helper()
	parsed, err := draw.Parse(text)
	require.NoError(t, err)
	return parsed.Fill(from, n)
}

// What is drawn is written down here: another host, or another version of Go,
// must come to the same.
func TestWhatIsDrawnIsTheSameEverywhere(t *testing.T) {
	t.Parallel()
	s := draw.For(7, "shop", "browse", "target")
	var picks []string
	for n := range uint64(20) {
		picks = append(picks, strconv.Itoa(s.Pick(n, []int{7, 2, 1})))
	}
	assert.Equal(t, "22110110000220002100", strings.Join(picks, ""))
	assert.Equal(t, "a=3 b=6 c=2 d=ba31fae0b54fd6668dc3 ${seq} $1", filled(t, "a=${seq} b=${int(1,6)} c=${int(-5, 5)} d=${hex(20)} $${seq} $1", draw.For(7, "shop", "browse", "body"), 3))
}

func TestWeightsAreKept(t *testing.T) {
	t.Parallel()
	const tries = 30_000
	weights := []int{90, 9, 1}
	for _, seed := range []uint64{0, 1, 2, math.MaxUint64} {
		s := draw.For(seed, "shop", "browse", "target")
		counts := make([]int, len(weights))
		stays := 0
		for n := range uint64(tries) {
			counts[s.Pick(n, weights)]++
			if s.Pick(n, []int{1, 1}) == s.Pick(n+1, []int{1, 1}) {
				stays++
			}
		}
		for i, w := range weights {
			p := float64(w) / 100
			assert.InDelta(t, p*tries, counts[i], 5*math.Sqrt(tries*p*(1-p)), "seed %d, weight %d", seed, w)
		}
		assert.InDelta(t, tries/2, stays, 5*math.Sqrt(tries/4), "neighbours have nothing to do with each other")
	}
}

func TestNumbersAreDrawnEvenly(t *testing.T) {
	t.Parallel()
	s := draw.For(1, "shop", "browse", "body")
	counts := map[string]int{}
	die, err := draw.Parse("${int(-2,3)}")
	require.NoError(t, err)
	for n := range uint64(60_000) {
		counts[die.Fill(s, n)]++
	}
	require.Len(t, counts, 6)
	for _, value := range []string{"-2", "-1", "0", "1", "2", "3"} {
		assert.InDelta(t, 10_000, counts[value], 5*math.Sqrt(60_000*5.0/36), value)
	}
	assert.Len(t, filled(t, "${hex(64)}", s, 0), 64)
	assert.Equal(t, "7", filled(t, "${int(7,7)}", s, 5))
	seen := map[string]bool{}
	for n := range uint64(1000) {
		seen[filled(t, "${hex(16)}", s, n)] = true
	}
	assert.Len(t, seen, 1000, "no two are alike")
}

func TestSourcesAreApart(t *testing.T) {
	t.Parallel()
	base := filled(t, "${hex(16)}", draw.For(1, "shop", "browse", "body"), 0)
	for _, other := range []draw.Source{
		draw.For(2, "shop", "browse", "body"), draw.For(1, "shop", "browse", "header A"),
		draw.For(1, "shopb", "rowse", "body"), draw.For(1, "shop", "buy", "body"),
	} {
		assert.NotEqual(t, base, filled(t, "${hex(16)}", other, 0))
	}
}

func TestPlaceholdersAreReadStrictly(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"${seq": "has no }", "${}": "there is no placeholder ${}", "${n}": "there is no placeholder", "${seq()}": "there is no placeholder",
		"${int(1)}": "there is no placeholder", "${int(5,4)}": "below the first", "${hex(0)}": "from 1 to 64 digits", "${hex(65)}": "from 1 to 64 digits",
		"${int(1,99999999999999999999)}": "there is no placeholder", "x${seq}${Seq}": "there is no placeholder",
	} {
		_, err := draw.Parse(text)
		require.ErrorContains(t, err, want, text)
	}
	for text, plain := range map[string]bool{"": true, "a$b{c}": true, "$${seq}": true, "${seq}": false, "a${hex(1)}": false} {
		parsed, err := draw.Parse(text)
		require.NoError(t, err)
		assert.Equal(t, plain, parsed.Plain(), text)
	}
	assert.Equal(t, "${seq}5$$ $", filled(t, "$${seq}${seq}$$ $", draw.Source{}, 5))
}
