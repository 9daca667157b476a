package scenarios

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// Bounds on a file, far above what a scenario needs. They keep a hostile file
// from costing more than its size.
const (
	// MaxSize is the largest file that is read, in bytes.
	MaxSize = 1 << 20
	// maxDepth is how deep maps and lists may nest.
	maxDepth = 64
	// maxNodes is how many keys, values, maps and lists a file may hold.
	maxNodes = 100_000
)

const noAliases = "anchors and aliases are not read; write the value out where it is needed"

// parseTree reads data as exactly one YAML document of plain maps, lists and
// scalars and returns its root map. What is wrong is added to found; without a
// root nothing more can be said about the file.
func parseTree(data []byte, found *findings) *yaml.Node {
	if problem := refuseBytes(data); problem != "" {
		found.add(nil, Finding{Problem: problem})
		return nil
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var doc yaml.Node
	if err := decoder.Decode(&doc); err != nil {
		found.add(nil, syntaxFinding(err))
		return nil
	}
	refuseSecond(decoder, found)
	root := doc.Content[0]
	if root.Kind != yaml.MappingNode {
		found.add(root, Finding{Value: brief(root), Problem: fmt.Sprintf(
			"a scenario is a map that begins with apiVersion: %s and kind: %s", APIVersion, Kind)})
		return nil
	}
	walk := treeWalk{found: found}
	if !walk.visit(root, "", 0) {
		return nil
	}
	return root
}

// refuseBytes says why data cannot be a scenario, whatever it holds.
func refuseBytes(data []byte) string {
	switch {
	case len(data) > MaxSize:
		return fmt.Sprintf("the file is larger than %d bytes, which no scenario needs; is it the right file?", MaxSize)
	case len(bytes.TrimSpace(data)) == 0:
		return "the file is empty; a scenario begins with apiVersion: " + APIVersion
	case !utf8.Valid(data):
		return "the file is not UTF-8 text; save it as UTF-8"
	}
	return ""
}

// syntaxFinding turns the YAML parser's error into a finding at its line.
func syntaxFinding(err error) Finding {
	if errors.Is(err, io.EOF) {
		return Finding{Problem: "the file holds comments only; a scenario begins with apiVersion: " + APIVersion}
	}
	text := err.Error()
	place := regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`).FindStringSubmatch(text)
	if place == nil {
		return Finding{Problem: "not YAML: " + text}
	}
	line, _ := strconv.Atoi(place[1]) // no match leaves 0, the whole file
	return Finding{Line: line, Problem: "not YAML: " + place[2]}
}

// refuseSecond adds a finding when another document follows.
func refuseSecond(decoder *yaml.Decoder, found *findings) {
	var second yaml.Node
	err := decoder.Decode(&second)
	switch {
	case errors.Is(err, io.EOF):
	case err != nil:
		found.add(nil, syntaxFinding(err))
	default:
		found.add(&second, Finding{Problem: "a second document begins here; a file holds one scenario, so put this one into a file of its own"})
	}
}

// treeWalk looks at every node once, before anything is decoded.
type treeWalk struct {
	found *findings
	nodes int
}

// visit checks a node and all below it; false means that the file is too large
// or too deep to go on.
func (w *treeWalk) visit(n *yaml.Node, path string, depth int) bool {
	w.nodes++
	if depth > maxDepth || w.nodes > maxNodes {
		w.found.add(n, Finding{Path: path, Problem: fmt.Sprintf(
			"the file nests deeper than %d levels or holds more than %d values, which no scenario needs", maxDepth, maxNodes)})
		return false
	}
	if n.Anchor != "" {
		w.found.add(n, Finding{Path: path, Value: "&" + n.Anchor, Problem: noAliases})
	}
	if n.Style&yaml.TaggedStyle != 0 {
		w.found.add(n, Finding{Path: path, Value: n.Tag, Problem: "YAML tags are not read; write the value without one"})
	}
	if n.Kind == yaml.MappingNode {
		return w.visitMap(n, path, depth)
	}
	for i, child := range n.Content {
		if !w.visit(child, entryPath(path, child, i), depth+1) {
			return false
		}
	}
	return true
}

// visitMap checks the keys of a map and all below it.
func (w *treeWalk) visitMap(n *yaml.Node, path string, depth int) bool {
	first := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if !isText(key) {
			w.found.add(key, Finding{Path: path, Value: brief(key), Problem: "a key must be text; put it in quotes"})
		}
		if line, twice := first[key.Value]; twice {
			w.found.add(key, Finding{Path: fieldPath(path, key.Value), Problem: fmt.Sprintf(
				"the key stands twice in this map, first in line %d; remove one", line)})
		} else {
			first[key.Value] = key.Line
		}
		if key.Anchor != "" || key.Kind != yaml.ScalarNode {
			if !w.visit(key, path, depth+1) {
				return false
			}
		}
		if !w.visit(value, fieldPath(path, key.Value), depth+1) {
			return false
		}
	}
	return true
}

// isText tells whether a node is a scalar that YAML reads as text. A date is
// text here: nothing in a scenario is a date.
func isText(n *yaml.Node) bool {
	if n.Kind != yaml.ScalarNode {
		return false
	}
	tag := n.ShortTag()
	return tag == "!!str" || tag == "!!timestamp"
}

// lookup returns the key and value nodes of a map's key, or nil.
func lookup(n *yaml.Node, name string) (key, value *yaml.Node) {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil, nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Kind == yaml.ScalarNode && n.Content[i].Value == name {
			return n.Content[i], n.Content[i+1]
		}
	}
	return nil, nil
}

// clone copies a tree, so that a patch leaves the original alone.
func clone(n *yaml.Node) *yaml.Node {
	c := *n
	c.Content = make([]*yaml.Node, len(n.Content))
	for i, child := range n.Content {
		c.Content[i] = clone(child)
	}
	return &c
}

// brief shows a node's value in a message, at most 60 runes long.
func brief(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a map"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "*" + n.Value
	}
	if n.ShortTag() == "!!null" {
		return "nothing"
	}
	if isText(n) {
		return quote(n.Value)
	}
	return shorten(n.Value)
}

// quote shows text in a message, at most 60 runes long.
func quote(text string) string { return strconv.Quote(shorten(text)) }

// shorten cuts text after 60 runes.
func shorten(text string) string {
	runes := []rune(text)
	if len(runes) <= 60 {
		return text
	}
	return string(runes[:60]) + "…"
}
