package policy

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// packet is the first packet of a connection, as a hook sees it.
type packet struct {
	src, dst    netip.Addr
	proto       string
	port        int32
	established bool
}

// passes interprets a ruleset as the kernel would for a hook. It panics on what
// it does not know, so that no rule is left out silently.
func passes(rs *ruleset, hook string, p packet) bool {
	var names []string
	for name, c := range rs.chains {
		if c.hook == hook {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(rs.chains[a].priority, rs.chains[b].priority), cmp.Compare(a, b))
	})
	for _, name := range names {
		if rs.run(name, p) == "drop" {
			return false
		}
	}
	return true
}

// run is the verdict of a chain, or nothing when its end was reached.
func (r *ruleset) run(name string, p packet) string {
	c, there := r.chains[name]
	if !there {
		panic("no chain " + name)
	}
	for _, rule := range c.rules {
		verdict := r.verdict(rule, p)
		if target, jump := strings.CutPrefix(verdict, "jump "); jump {
			verdict = r.run(target, p)
		}
		if verdict != "" {
			return verdict
		}
	}
	return ""
}

// verdict interprets one rule; nothing when it does not match.
func (r *ruleset) verdict(rule string, p packet) string {
	words := strings.Fields(rule)
	for len(words) > 0 {
		switch {
		case words[0] == "accept" || words[0] == "drop":
			return words[0]
		case words[0] == "jump":
			return "jump " + words[1]
		}
		matches, verdict, rest := r.match(words, p)
		if !matches || verdict != "" {
			return verdict
		}
		words = rest
	}
	panic("no verdict in " + rule)
}

func (r *ruleset) match(words []string, p packet) (matches bool, verdict string, rest []string) {
	head := strings.Join(words[:min(2, len(words))], " ")
	switch head {
	case "ct state":
		return p.established, "", words[3:]
	case "icmpv6 type":
		return false, "", nil
	case "meta nfproto":
		return (words[2] == "ipv4") == p.dst.Is4(), "", words[3:]
	case "meta l4proto":
		return words[2] == p.proto, "", words[3:]
	case "tcp dport", "udp dport", "sctp dport":
		values, rest := values(words[2:])
		return words[0] == p.proto && slices.ContainsFunc(values, p.portIn), "", rest
	case "ip saddr", "ip daddr", "ip6 saddr", "ip6 daddr":
		return r.matchAddress(words, p)
	}
	panic("unknown words " + strings.Join(words, " "))
}

func (r *ruleset) matchAddress(words []string, p packet) (matches bool, verdict string, rest []string) {
	if (words[0] == "ip") != p.dst.Is4() {
		return false, "", nil
	}
	address := p.src
	if words[1] == "daddr" {
		address = p.dst
	}
	key := address.String()
	words = words[2:]
	if words[0] == "." {
		part := p.dst.String()
		if words[1] == "th" {
			part = fmt.Sprint(p.port)
		}
		key += joined + part
		words = words[3:]
	}
	if words[0] == "vmap" {
		verdict, there := r.lookup(words[1], key)
		if !there {
			return false, "", nil
		}
		return true, verdict, nil
	}
	if strings.HasPrefix(words[0], "@") {
		_, there := r.lookup(words[0], key)
		return there, "", words[1:]
	}
	ranges, rest := values(words)
	return slices.ContainsFunc(ranges, func(text string) bool { return addressIn(address, text) }), "", rest
}

func (r *ruleset) lookup(name, key string) (string, bool) {
	s, there := r.sets[strings.TrimPrefix(name, "@")]
	if !there {
		panic("no set " + name)
	}
	verdict, there := s.elements[key]
	return verdict, there
}

// values reads "a" or "{ a, b }".
func values(words []string) (values, rest []string) {
	if words[0] != "{" {
		return words[:1], words[1:]
	}
	end := slices.Index(words, "}")
	for _, w := range words[1:end] {
		values = append(values, strings.TrimSuffix(w, ","))
	}
	return values, words[end+1:]
}

func (p packet) portIn(text string) bool {
	first, last, is := strings.Cut(text, "-")
	if !is {
		last = first
	}
	low, err := strconv.Atoi(first)
	if err != nil {
		panic(err)
	}
	high, err := strconv.Atoi(last)
	if err != nil {
		panic(err)
	}
	return int(p.port) >= low && int(p.port) <= high
}

func addressIn(a netip.Addr, text string) bool {
	first, last, is := strings.Cut(text, "-")
	if !is {
		last = first
	}
	return a.Compare(netip.MustParseAddr(first)) >= 0 && a.Compare(netip.MustParseAddr(last)) <= 0
}
