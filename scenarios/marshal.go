package scenarios

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"
)

// Marshal writes the scenario as it is run: defaults filled in, a twin's patch
// applied, the list of twins left out because a run knows nothing of them. The
// result is YAML, the same for the same scenario, and Parse reads it back. A
// twin keeps its name and what it must break in a stanza of its own:
//
//	twin:
//	  name: one replica
//	  breaks: [users barely notice]
func (s *Scenario) Marshal() []byte {
	doc := document{APIVersion: s.APIVersion, Kind: s.Kind, Metadata: s.Metadata, Spec: s.Spec}
	doc.Spec.Twins = nil
	if s.Twin != "" {
		doc.Twin = &twinMark{Name: s.Twin, Breaks: s.Breaks}
	}
	var root yaml.Node
	if err := root.Encode(doc); err != nil {
		panic("scenarios: a parsed scenario cannot be written: " + err.Error())
	}
	quoteOdd(&root)
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := encoder.Encode(&root); err != nil {
		panic("scenarios: a parsed scenario cannot be written: " + err.Error())
	}
	return out.Bytes()
}

// Digest is the SHA-256 of what Marshal writes, in hexadecimal digits: the
// identity of the scenario as it is run.
func (s *Scenario) Digest() string {
	sum := sha256.Sum256(s.Marshal())
	return hex.EncodeToString(sum[:])
}

// quoteOdd has text with line breaks or other unusual characters written in
// double quotes, the one YAML notation that keeps every character.
func quoteOdd(n *yaml.Node) {
	odd := func(r rune) bool { return !unicode.IsPrint(r) }
	if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!str" && strings.ContainsFunc(n.Value, odd) {
		n.Style = yaml.DoubleQuotedStyle
	}
	for _, child := range n.Content {
		quoteOdd(child)
	}
}

// MarshalYAML writes the size as a scenario does.
func (n Node) MarshalYAML() (any, error) {
	return struct {
		CPU    string `yaml:"cpu"`
		Memory string `yaml:"memory"`
	}{n.CPU.String(), n.Memory.String()}, nil
}

// MarshalYAML writes the rate, or the list of legs, as a scenario does.
func (p Pace) MarshalYAML() (any, error) {
	if len(p.Legs) > 0 {
		return p.Legs, nil
	}
	return p.Rate.String(), nil
}

// MarshalYAML writes the rate as a scenario does.
func (r LegRate) MarshalYAML() (any, error) { return r.String(), nil }

// MarshalYAML writes the moment as a scenario does.
func (m Moment) MarshalYAML() (any, error) { return m.String(), nil }

// MarshalYAML writes the entry with its fault as the object that was decoded.
func (s Step) MarshalYAML() (any, error) {
	type plain Step // without this method
	fault := s.Chaos
	s.Chaos = nil
	var entry yaml.Node
	if err := entry.Encode(plain(s)); err != nil || fault == nil {
		return &entry, err
	}
	var object yaml.Node // JSON is YAML
	if err := yaml.Unmarshal(fault.Raw, &object); err != nil {
		return nil, err
	}
	plainStyle(&object)
	key := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: "chaos"}
	entry.Content = append(entry.Content, key, object.Content[0])
	return &entry, nil
}

// plainText tells whether text needs no quotes, also not for readers of older
// YAML, to whom yes is a switch.
func plainText(text string) bool {
	var n yaml.Node
	return n.Encode(text) == nil && n.Style == 0
}

// plainStyle forgets JSON's brackets and quotes where YAML can do without.
func plainStyle(n *yaml.Node) {
	n.Style = 0
	if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!str" {
		n.SetString(n.Value)
		if !plainText(n.Value) {
			n.Style = yaml.DoubleQuotedStyle
		}
	}
	for _, child := range n.Content {
		plainStyle(child)
	}
}
