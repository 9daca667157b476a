// Package draw says what chance decides about the requests of a load: which of
// its targets a request goes to, and what fills the placeholders of its text.
//
// Each request draws by itself, from the seed and its number: nothing hangs on
// what was drawn before it, on when it was sent, or on the host. The arithmetic
// is whole numbers and PCG, whose output Go keeps stable.
package draw

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/bits"
	"math/rand/v2"
)

// Source is where the requests of a load draw from, for one purpose.
type Source struct{ a, b uint64 }

// For is the source of one purpose. Purposes of one name, in loads of one name,
// in scenarios of one name draw alike from one seed; others have nothing to do
// with each other.
func For(seed uint64, scenario, load, purpose string) Source {
	// Lengths keep "ab"+"c" and "a"+"bc" apart.
	text := fmt.Sprintf("squall load v1 %d:%s %d:%s %s", len(scenario), scenario, len(load), load, purpose)
	sum := sha256.Sum256([]byte(text))
	return Source{a: seed ^ binary.BigEndian.Uint64(sum[:8]), b: binary.BigEndian.Uint64(sum[8:16])}
}

// Pick draws one of the weights for request n and returns its index. Weights are
// above zero.
func (s Source) Pick(n uint64, weights []int) int {
	total := uint64(0)
	for _, w := range weights {
		total += uint64(w)
	}
	at := below(s.request(n), total)
	for i, w := range weights {
		if at < uint64(w) {
			return i
		}
		at -= uint64(w)
	}
	return 0
}

// request is what request n draws from.
func (s Source) request(n uint64) *rand.PCG { return rand.NewPCG(s.a^spread(n), s.b) }

// spread mixes the bits of a number, so that neighbours draw from states that
// have nothing in common (the finish of SplitMix64).
func spread(n uint64) uint64 {
	n += 0x9e3779b97f4a7c15
	n = (n ^ n>>30) * 0xbf58476d1ce4e5b9
	n = (n ^ n>>27) * 0x94d049bb133111eb
	return n ^ n>>31
}

// below draws a number from 0 up to, and without, bound. It favours none by
// more than bound in 2^64.
func below(from *rand.PCG, bound uint64) uint64 {
	drawn, _ := bits.Mul64(from.Uint64(), bound)
	return drawn
}
