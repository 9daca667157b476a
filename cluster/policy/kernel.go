package policy

import (
	"context"
	"fmt"
	"strings"
	"time"

	"sigs.k8s.io/knftables"
)

// nftDeadline is how long one transaction may take; 1000 pods take well under a
// second.
const nftDeadline = 30 * time.Second

// kernel is the table as it stands in the kernel.
type kernel struct {
	nft knftables.Interface
	// held is what the last transaction left there; nil when that is not known,
	// as after a start or an error.
	held *ruleset
}

// apply makes the table hold a ruleset, in one transaction: packets see the
// rules before it or those after it, never a part. It writes the difference if
// it knows what is there, else the whole. It returns how many operations it took.
func (k *kernel) apply(ctx context.Context, want *ruleset, whole bool) (int, error) {
	whole = whole || k.held == nil
	ctx, cancel := context.WithTimeout(ctx, nftDeadline)
	defer cancel()
	tx := k.nft.NewTransaction()
	switch {
	case whole:
		if err := k.calm(ctx); err != nil {
			return 0, err
		}
		renew(tx)
		guarded(tx, func() { change(tx, newEmpty(), want) })
	case !k.held.equal(want):
		guarded(tx, func() { change(tx, k.held, want) })
	default:
		return 0, nil
	}
	k.held = nil
	operations := tx.NumOperations()
	if err := k.nft.Run(ctx, tx); err != nil {
		return operations, fmt.Errorf("writing %d operations to the nftables table %q: %w", operations, tableName, err)
	}
	k.held = want
	return operations, nil
}

// calm makes a change that does nothing. The kernel (6.18) that has refused a
// loop looks for loops after each rule, no more at the end alone, until some
// change was accepted; it would refuse what guarded writes.
func (k *kernel) calm(ctx context.Context) error {
	tx := k.nft.NewTransaction()
	tx.Add(&knftables.Table{})
	tx.Add(&knftables.Chain{Name: loopChain})
	if err := k.nft.Run(ctx, tx); err != nil {
		return fmt.Errorf("making the nftables table %q: %w", tableName, err)
	}
	return nil
}

// missing are the chains, sets and maps that the kernel should hold and does
// not: somebody else removed them.
func (k *kernel) missing(ctx context.Context) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, nftDeadline)
	defer cancel()
	objects, err := k.nft.ListAll(ctx)
	if err != nil && !knftables.IsNotFound(err) {
		return nil, fmt.Errorf("listing the nftables table %q: %w", tableName, err)
	}
	there := map[string]bool{}
	for kind, names := range objects {
		for _, name := range names {
			there[kind+" "+name] = true
		}
	}
	var missing []string
	for _, name := range sortedKeys(k.held.chains) {
		if !there["chain "+name] {
			missing = append(missing, "chain "+name)
		}
	}
	for _, name := range sortedKeys(k.held.sets) {
		if kind := k.held.sets[name].kind(); !there[kind+" "+name] {
			missing = append(missing, kind+" "+name)
		}
	}
	return missing, nil
}

// renew drops whatever the table holds. It is part of a transaction that writes
// it anew.
func renew(tx *knftables.Transaction) {
	tx.Add(&knftables.Table{})
	tx.Delete(&knftables.Table{})
	tx.Add(&knftables.Table{Comment: knftables.PtrTo("NetworkPolicy rules of Squall")})
}

// loopChain is a chain that jumps to itself, inside of transactions only.
const loopChain = "guard-loop"

// guarded makes a transaction that the kernel refuses unless all of it arrives.
// nft reads the transaction from a pipe: if this process dies while it writes
// one that is larger than the pipe, nft takes what it got for the whole. So the
// first lines make a chain that jumps to itself, which no commit may hold, and
// the last lines take it away.
func guarded(tx *knftables.Transaction, write func()) {
	base := &knftables.Chain{
		Name: "guard", Type: knftables.PtrTo(knftables.FilterType),
		Hook:     knftables.PtrTo(knftables.ForwardHook),
		Priority: knftables.PtrTo(knftables.BaseChainPriority("filter + 12")),
	}
	loop := &knftables.Chain{Name: loopChain}
	tx.Add(base)
	tx.Add(loop)
	tx.Add(&knftables.Rule{Chain: base.Name, Rule: "jump " + loop.Name})
	tx.Add(&knftables.Rule{Chain: loop.Name, Rule: "jump " + loop.Name})
	write()
	tx.Flush(&knftables.Chain{Name: base.Name})
	tx.Flush(&knftables.Chain{Name: loop.Name})
	tx.Delete(&knftables.Chain{Name: base.Name})
	tx.Delete(&knftables.Chain{Name: loop.Name})
}

func newEmpty() *ruleset { return &ruleset{} }

// change writes the difference between two rulesets. The order is the kernel's:
// what is named must exist, and what is deleted must not be named any more.
func change(tx *knftables.Transaction, have, want *ruleset) {
	declare(tx, have, want)
	for _, name := range sortedKeys(want.sets) {
		if s := want.sets[name]; !s.verdicts {
			changeElements(tx, name, have.sets[name], s)
		}
	}
	for _, name := range sortedKeys(want.chains) {
		c := want.chains[name]
		if old, there := have.chains[name]; there && old.equal(c) {
			continue
		} else if there {
			tx.Flush(&knftables.Chain{Name: name})
		}
		for _, r := range c.rules {
			tx.Add(&knftables.Rule{Chain: name, Rule: r})
		}
	}
	for _, name := range sortedKeys(want.sets) {
		if s := want.sets[name]; s.verdicts {
			changeElements(tx, name, have.sets[name], s)
		}
	}
	remove(tx, have, want)
}

// declare adds chains and sets that are new, without what is in them.
func declare(tx *knftables.Transaction, have, want *ruleset) {
	for _, name := range sortedKeys(want.chains) {
		if _, there := have.chains[name]; !there {
			tx.Add(want.chains[name].object(name))
		}
	}
	for _, name := range sortedKeys(want.sets) {
		if _, there := have.sets[name]; !there {
			tx.Add(want.sets[name].object(name))
		}
	}
}

// remove deletes chains and sets that are gone. Their names stand in chains that
// may be gone as well, so all of those are emptied first.
func remove(tx *knftables.Transaction, have, want *ruleset) {
	var gone []string
	for _, name := range sortedKeys(have.chains) {
		if _, stays := want.chains[name]; !stays {
			gone = append(gone, name)
			tx.Flush(&knftables.Chain{Name: name})
		}
	}
	for _, name := range gone {
		tx.Delete(&knftables.Chain{Name: name})
	}
	for _, name := range sortedKeys(have.sets) {
		if _, stays := want.sets[name]; !stays {
			tx.Delete(have.sets[name].object(name))
		}
	}
}

func changeElements(tx *knftables.Transaction, name string, have, want set) {
	for _, key := range sortedKeys(have.elements) {
		if verdict, stays := want.elements[key]; !stays || verdict != have.elements[key] {
			tx.Delete(want.element(name, key, have.elements[key]))
		}
	}
	for _, key := range sortedKeys(want.elements) {
		if verdict, there := have.elements[key]; !there || verdict != want.elements[key] {
			tx.Add(want.element(name, key, want.elements[key]))
		}
	}
}

func (c chain) object(name string) *knftables.Chain {
	o := &knftables.Chain{Name: name}
	if c.comment != "" {
		o.Comment = &c.comment
	}
	if c.hook != "" {
		o.Type = knftables.PtrTo(knftables.FilterType)
		o.Hook = knftables.PtrTo(knftables.BaseChainHook(c.hook))
		o.Priority = knftables.PtrTo(knftables.BaseChainPriority(c.priority))
	}
	return o
}

func (s set) kind() string {
	if s.verdicts {
		return "map"
	}
	return "set"
}

func (s set) object(name string) knftables.Object {
	if s.verdicts {
		return &knftables.Map{Name: name, Type: s.keyType + " : verdict", Comment: &s.comment}
	}
	return &knftables.Set{Name: name, Type: s.keyType, Comment: &s.comment}
}

func (s set) element(name, key, verdict string) *knftables.Element {
	e := &knftables.Element{Key: strings.Split(key, joined)}
	if s.verdicts {
		e.Map, e.Value = name, []string{verdict}
	} else {
		e.Set = name
	}
	return e
}
