package chaos

import (
	"encoding/json"
	"errors"
	"strings"
)

// DecodeNodes reads which nodes something that is no fault acts on: mode, value and
// selector, as JSON, with the same rules as those of a NodeChaos. What names it, as
// in "drain". The object says which nodes it takes and how many; it cannot be
// injected. The error is an [*InvalidError] with all findings.
func DecodeNodes(what string, raw []byte) (*Object, error) {
	f := &findings{}
	spec := f.object(raw)
	if spec == nil {
		return nil, f.err()
	}
	generic := map[string]any{"kind": what, "spec": spec}
	whole, err := json.Marshal(generic)
	if err != nil {
		return nil, err
	}
	node := &nodeChaos{}
	f.fill(whole, generic, node)
	if f.hasSpec(generic, "{} selects every node but the client host") {
		f.checkMode(node.Spec.Mode, node.Spec.Value)
		f.checkValue(node.Spec.Mode, node.Spec.Value)
		f.checkNodeSelector("spec.selector", &node.Spec.Selector)
	}
	if err := f.err(); err != nil {
		return nil, withoutSpec(err)
	}
	return &Object{Kind: what, Raw: raw, node: node}, nil
}

// withoutSpec takes the "spec" out of paths, where there is none to be seen.
func withoutSpec(err error) error {
	var invalid *InvalidError
	if errors.As(err, &invalid) {
		for i, found := range invalid.Findings {
			invalid.Findings[i].Path = strings.TrimPrefix(strings.TrimPrefix(found.Path, "spec"), ".")
		}
	}
	return err
}

// picks tells whether the object only says which nodes something else acts on.
func (o *Object) picks() bool { return o.node != nil && o.Kind != kindNodeChaos }
