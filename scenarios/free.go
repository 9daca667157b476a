package scenarios

import (
	"encoding/json"
	"math"

	"go.yaml.in/yaml/v3"
)

// free decodes a node whose shape is somebody else's, such as a Kubernetes
// object, into maps, lists, text, numbers, switches and nil: what JSON can say.
// False means that a finding was added.
func (d *decoder) free(n *yaml.Node, path string) (any, bool) {
	switch n.Kind {
	case yaml.MappingNode:
		return d.freeMap(n, path)
	case yaml.SequenceNode:
		list, ok := make([]any, len(n.Content)), true
		for i, child := range n.Content {
			at := entryPath(path, child, i)
			d.mark(at, nil, child)
			value, fine := d.free(child, at)
			list[i], ok = value, ok && fine
		}
		return list, ok
	case yaml.ScalarNode:
		return d.freeScalar(n, path)
	}
	d.say(n, Finding{Path: path, Value: brief(n), Problem: noAliases})
	return nil, false
}

// freeMap decodes a map of any shape.
func (d *decoder) freeMap(n *yaml.Node, path string) (any, bool) {
	values, ok := make(map[string]any, len(n.Content)/2), true
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, child := n.Content[i], n.Content[i+1]
		if _, twice := values[key.Value]; twice || !isText(key) {
			ok = false // said when the tree was looked at
			continue
		}
		at := fieldPath(path, key.Value)
		d.mark(at, key, child)
		value, fine := d.free(child, at)
		values[key.Value], ok = value, ok && fine
	}
	return values, ok
}

// freeScalar decodes a scalar of any type that JSON has. Numbers keep whether
// they were written whole.
func (d *decoder) freeScalar(n *yaml.Node, path string) (any, bool) {
	if isText(n) {
		return n.Value, true
	}
	var value any
	err := n.Decode(&value)
	number, isFloat := value.(float64)
	if err != nil || isFloat && (math.IsNaN(number) || math.IsInf(number, 0)) {
		d.say(n, Finding{Path: path, Value: brief(n), Problem: "must be text, a finite number, true, false or null"})
		return nil, false
	}
	if _, err := json.Marshal(value); err != nil {
		d.say(n, Finding{Path: path, Value: brief(n), Problem: "cannot be said in JSON, which Kubernetes reads"})
		return nil, false
	}
	return value, true
}
