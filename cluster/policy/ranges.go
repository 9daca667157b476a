package policy

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// addressRange is a closed range of addresses of one family.
type addressRange struct{ first, last netip.Addr }

func (r addressRange) String() string {
	if r.first == r.last {
		return r.first.String()
	}
	return r.first.String() + "-" + r.last.String()
}

// prefixRange is all of a prefix.
func prefixRange(text string) (addressRange, error) {
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		return addressRange{}, fmt.Errorf("reading the address block %q: %w", text, err)
	}
	first := prefix.Masked().Addr()
	bytes := first.AsSlice()
	for bit := prefix.Bits(); bit < first.BitLen(); bit++ {
		bytes[bit/8] |= 0x80 >> (bit % 8)
	}
	last, _ := netip.AddrFromSlice(bytes)
	return addressRange{first, last}, nil
}

// blockRanges is what a block holds without its exceptions.
func blockRanges(block string, except []string) ([]addressRange, error) {
	whole, err := prefixRange(block)
	if err != nil {
		return nil, err
	}
	left := []addressRange{whole}
	for _, e := range except {
		hole, err := prefixRange(e)
		if err != nil {
			return nil, err
		}
		left = without(left, hole)
	}
	return left, nil
}

// without cuts a hole into ranges. netip orders IPv4 before IPv6, so ranges of
// the other family stay whole.
func without(ranges []addressRange, hole addressRange) []addressRange {
	var left []addressRange
	for _, r := range ranges {
		if r.last.Less(hole.first) || hole.last.Less(r.first) {
			left = append(left, r)
			continue
		}
		if r.first.Less(hole.first) {
			left = append(left, addressRange{r.first, hole.first.Prev()})
		}
		if hole.last.Less(r.last) {
			left = append(left, addressRange{hole.last.Next(), r.last})
		}
	}
	return left
}

// mergeAddresses sorts ranges and joins those that touch: nft refuses ranges
// that overlap.
func mergeAddresses(ranges []addressRange) []addressRange {
	ranges = slices.Clone(ranges)
	slices.SortFunc(ranges, func(a, b addressRange) int { return a.first.Compare(b.first) })
	var merged []addressRange
	for _, r := range ranges {
		if n := len(merged); n > 0 && merged[n-1].reaches(r.first) {
			if merged[n-1].last.Less(r.last) {
				merged[n-1].last = r.last
			}
			continue
		}
		merged = append(merged, r)
	}
	return merged
}

// reaches tells whether an address that is not before the range lies in it or
// next to it. Next of a family's last address is not valid, and so is less.
func (r addressRange) reaches(a netip.Addr) bool {
	return r.first.BitLen() == a.BitLen() && (!r.last.Less(a) || r.last.Next() == a)
}

// portRange is a closed range of ports.
type portRange struct{ first, last int32 }

func (r portRange) String() string {
	if r.first == r.last {
		return fmt.Sprint(r.first)
	}
	return fmt.Sprintf("%d-%d", r.first, r.last)
}

// mergePorts sorts ranges and joins those that touch.
func mergePorts(ranges []portRange) []portRange {
	ranges = slices.Clone(ranges)
	slices.SortFunc(ranges, func(a, b portRange) int { return int(a.first - b.first) })
	var merged []portRange
	for _, r := range ranges {
		if n := len(merged); n > 0 && r.first <= merged[n-1].last+1 {
			merged[n-1].last = max(merged[n-1].last, r.last)
			continue
		}
		merged = append(merged, r)
	}
	return merged
}

// anyOf writes what a field may be: one range as it is, several in braces.
func anyOf[R fmt.Stringer](ranges []R) string {
	texts := make([]string, len(ranges))
	for i, r := range ranges {
		texts[i] = r.String()
	}
	if len(texts) == 1 {
		return texts[0]
	}
	return "{ " + strings.Join(texts, ", ") + " }"
}
