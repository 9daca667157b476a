package scenarios

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// readTwin reads the scenario in the tree at root with a twin's patch applied,
// or says what is wrong with the twin and returns nil.
func (r *reading) readTwin(root *yaml.Node, twin Twin) *Scenario {
	at := r.edges.entry("spec.twins", twin.Name, 0) + ".patch"
	patch := r.edges.places[at]
	if twin.Name == "" || patch.value == nil || patch.value.Kind != yaml.MappingNode {
		return nil // said when the file itself was read
	}
	tree := clone(root)
	_, spec := lookup(tree, "spec")
	dropKey(spec, "twins")
	sound := true
	var seen []PatchPath
	for i := 0; i+1 < len(patch.value.Content); i += 2 {
		key, value := patch.value.Content[i], patch.value.Content[i+1]
		path, err := applicable(key.Value, seen)
		if err == nil {
			err = applyPatch(spec, path, place{key, value})
			seen = append(seen, path)
		}
		if err != nil {
			r.edges.sayError(key, Finding{Path: at, Value: quote(key.Value)}, err)
			sound = false
		}
	}
	reader := &reading{found: r.found, check: r.check, twin: twin.Name, breaks: slices.Clone(twin.Breaks), partial: !sound}
	return reader.read(tree)
}

// dropKey removes a key from a map.
func dropKey(n *yaml.Node, name string) {
	for i := 0; n != nil && i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			n.Content = slices.Delete(n.Content, i, i+2)
			return
		}
	}
}

// applicable parses a patch path and says why a twin may not use it, given the
// paths that it has used already.
func applicable(text string, seen []PatchPath) (PatchPath, error) {
	path, err := ParsePatchPath(text)
	if err != nil {
		return nil, err
	}
	for _, other := range seen {
		if path.within(other) || other.within(path) {
			return nil, fmt.Errorf("it and %s change the same place; which comes first is not defined, so write one of them", quote(other.String()))
		}
	}
	return path, refusePath(path)
}

// refusePath holds a twin to its purpose: it breaks the system under test and
// leaves alone what is sent to it, what is measured, when, by which fault and what
// must hold.
func refusePath(path PatchPath) error {
	const rule = "a twin breaks the system under test and nothing else"
	field := path[0].Text
	switch {
	case slices.Contains([]string{"expect", "steady", "phases", "twins", "description", "timeline", "load", "abort"}, field):
		return fmt.Errorf("%s; it may not change %s", rule, field)
	case len(path) > 2 && path[1].Bracket && len(path) == 3 && path[2].Text == "name":
		return fmt.Errorf("%s; it may not change the name of an entry, by which others address it", rule)
	}
	return nil
}

// applyPatch sets what path addresses below n to the patch's value. Maps on the
// way are made when they are absent; whether the format has them is found when
// the result is decoded.
func applyPatch(n *yaml.Node, path PatchPath, patch place) error {
	for i, part := range path {
		last := i == len(path)-1
		switch n.Kind {
		case yaml.SequenceNode:
			at := slices.IndexFunc(n.Content, func(entry *yaml.Node) bool { return entryName(entry) == part.Text })
			if at < 0 || !part.Bracket {
				return noEntry(n, path[:i], part)
			}
			if last {
				n.Content[at] = patch.value
				return nil
			}
			n = n.Content[at]
		case yaml.MappingNode:
			if _, there := lookup(n, part.Text); there == nil && !last && path[i+1].isName() {
				return fmt.Errorf("there is no list %s, so no entry %s in it", quote(path[:i+1].String()), quote(path[i+1].Text))
			}
			n = setKey(n, part.Text, patch, last)
		default:
			return fmt.Errorf("%s is %s, so there is nothing in it that %s could name", quote(path[:i].String()), brief(n), quote(part.Text))
		}
	}
	return nil
}

// setKey returns the value of a map's key, made when it is absent and replaced
// by the patch's when it is the last of the path.
func setKey(n *yaml.Node, name string, patch place, last bool) *yaml.Node {
	fresh := patch.value
	if !last {
		fresh = &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: patch.key.Line, Column: patch.key.Column}
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value != name {
			continue
		}
		if last {
			n.Content[i] = &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: name, Line: patch.key.Line, Column: patch.key.Column}
			n.Content[i+1] = fresh
		}
		return n.Content[i+1]
	}
	key := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: name, Line: patch.key.Line, Column: patch.key.Column}
	n.Content = append(n.Content, key, fresh)
	return fresh
}

// entryName is the name by which a list's entry is addressed.
func entryName(entry *yaml.Node) string {
	if _, name := lookup(entry, "name"); name != nil {
		return name.Value
	}
	if entry.Kind == yaml.ScalarNode {
		return entry.Value
	}
	return ""
}

// noEntry says that a list has no entry of a name, and which it has.
func noEntry(list *yaml.Node, path PatchPath, part PathPart) error {
	var have []string
	for _, entry := range list.Content {
		if name := entryName(entry); name != "" && len(have) < 20 {
			have = append(have, name)
		}
	}
	where := quote(path.String())
	if !part.Bracket {
		return &allowedError{
			problem: fmt.Sprintf("%s is a list, whose entries are addressed by name in brackets, not as %s", where, quote(part.Text)),
			got:     part.Text, allowed: have,
		}
	}
	if strings.Trim(part.Text, "0123456789") == "" {
		return &allowedError{
			problem: fmt.Sprintf("%s has no entry named %s; entries are addressed by name, never by index", where, quote(part.Text)),
			got:     part.Text, allowed: have,
		}
	}
	return &allowedError{problem: fmt.Sprintf("%s has no entry named %s", where, quote(part.Text)), got: part.Text, allowed: have}
}
