package schedule

import "math/bits"

// area is an area under the curve of a rate, a whole number of 128 bits: twice
// the thousandths of a request a second, times nanoseconds. Twice, so that the
// triangle under a ramp is whole too.
type area struct{ hi, lo uint64 }

// request is the area that one request takes.
const request = 2 * 1000 * 1_000_000_000

// product is a × b.
func product(a, b uint64) area {
	hi, lo := bits.Mul64(a, b)
	return area{hi, lo}
}

// plus is a + b; the bounds of a schedule keep it below 2^128.
func (a area) plus(b area) area {
	lo, carry := bits.Add64(a.lo, b.lo, 0)
	hi, _ := bits.Add64(a.hi, b.hi, carry)
	return area{hi, lo}
}

// minus is a − b, of which b is not the larger.
func (a area) minus(b area) area {
	lo, borrow := bits.Sub64(a.lo, b.lo, 0)
	hi, _ := bits.Sub64(a.hi, b.hi, borrow)
	return area{hi, lo}
}

// times is a × by; the bounds of a schedule keep it below 2^128.
func (a area) times(by uint64) area {
	hi, lo := bits.Mul64(a.lo, by)
	return area{hi + a.hi*by, lo}
}

// over is a / by, rounded down; it is below 2^64 within the bounds.
func (a area) over(by uint64) uint64 {
	quotient, _ := bits.Div64(a.hi, a.lo, by)
	return quotient
}

// above tells whether a > b.
func (a area) above(b area) bool {
	return a.hi > b.hi || a.hi == b.hi && a.lo > b.lo
}
