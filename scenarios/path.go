package scenarios

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxPathParts bounds a patch path; the format is nowhere near as deep.
const maxPathParts = 32

// fieldPath is the path of a map's key below path.
func fieldPath(path, key string) string {
	if !plainKey(key) {
		return path + "[" + strconv.Quote(shorten(key)) + "]"
	}
	if path == "" {
		return key
	}
	return path + "." + key
}

// plainKey tells whether a key needs no quotes in a path.
func plainKey(key string) bool { return regexp.MustCompile(`^[A-Za-z0-9_/-]+$`).MatchString(key) }

// entryPath is the path of a list's entry below path: by its name, by itself
// when it is text, else by its place, counted from 1.
func entryPath(path string, entry *yaml.Node, index int) string {
	label := "#" + strconv.Itoa(index+1)
	if _, name := lookup(entry, "name"); name != nil && isText(name) && name.Value != "" {
		label = name.Value
	} else if isText(entry) && entry.Value != "" {
		label = entry.Value
	}
	return path + "[" + shorten(label) + "]"
}

// parentPath is the path that a path lies in, empty for the file.
func parentPath(path string) string {
	end := strings.LastIndexByte(path, '.')
	if strings.HasSuffix(path, "]") {
		end = strings.LastIndexByte(path, '[')
	}
	return path[:max(end, 0)]
}

// PatchPath is a parsed path of a twin's patch, relative to spec: keys of maps
// and, in brackets, names of list entries.
type PatchPath []PathPart

// PathPart is one step of a path.
type PathPart struct {
	// Text is the key or the name.
	Text string
	// Bracket is true for a part in brackets: the name of a list's entry, or a
	// map's key that holds a dot. Quoted is true when it is in quotes there.
	Bracket, Quoted bool
}

// isName tells whether a part can only be the name of a list's entry.
func (p PathPart) isName() bool { return p.Bracket && !p.Quoted }

// ParsePatchPath reads a path such as workloads[shop].shop.replicas.catalog.
// Keys are separated by dots; the name of a list's entry stands in brackets, and
// so may a key that holds dots. In brackets, text may be in double quotes, with
// Go's escapes.
func ParsePatchPath(text string) (PatchPath, error) {
	var path PatchPath
	rest := text
	for rest != "" {
		if len(path) == maxPathParts {
			return nil, fmt.Errorf("the path has more than %d parts", maxPathParts)
		}
		part, after, err := nextPart(rest, len(path) == 0)
		if err != nil {
			return nil, err
		}
		path, rest = append(path, part), after
	}
	if len(path) == 0 {
		return nil, errors.New("the path is empty; write for example workloads[shop].shop.replicas.catalog")
	}
	return path, nil
}

// nextPart reads the first part of a path and returns what follows it.
func nextPart(text string, first bool) (PathPart, string, error) {
	if strings.HasPrefix(text, "[") {
		if first {
			return PathPart{}, "", errors.New("a path begins with a field of spec, for example workloads")
		}
		return nextBracket(text)
	}
	if !first {
		if !strings.HasPrefix(text, ".") {
			return PathPart{}, "", fmt.Errorf("a dot or a bracket must follow a bracket, not %s", quote(text))
		}
		text = text[1:]
	}
	end := strings.IndexAny(text, ".[")
	if end < 0 {
		end = len(text)
	}
	if end == 0 || strings.ContainsAny(text[:end], `]"`) {
		return PathPart{}, "", fmt.Errorf("a key is missing or is not plain at %s; a key that holds dots, brackets or quotes stands in brackets, as in labels[\"a.b\"]", quote(text))
	}
	return PathPart{Text: text[:end]}, text[end:], nil
}

// nextBracket reads a part in brackets.
func nextBracket(text string) (PathPart, string, error) {
	if strings.HasPrefix(text, `["`) {
		quoted, err := strconv.QuotedPrefix(text[1:])
		if err != nil || !strings.HasPrefix(text[1+len(quoted):], "]") {
			return PathPart{}, "", fmt.Errorf("a quote is not closed before the bracket at %s", quote(text))
		}
		name, err := strconv.Unquote(quoted)
		if err != nil || name == "" {
			return PathPart{}, "", fmt.Errorf("the text in brackets is empty or badly quoted at %s", quote(text))
		}
		return PathPart{Text: name, Bracket: true, Quoted: true}, text[len(quoted)+2:], nil
	}
	end := strings.IndexByte(text, ']')
	if end <= 1 || strings.ContainsAny(text[1:end], `["`) {
		return PathPart{}, "", fmt.Errorf("a bracket is empty or not closed at %s", quote(text))
	}
	return PathPart{Text: text[1:end], Bracket: true}, text[end+1:], nil
}

// String is the path as a twin writes it.
func (p PatchPath) String() string {
	var b strings.Builder
	for i, part := range p {
		switch {
		case part.Quoted:
			b.WriteString("[" + strconv.Quote(part.Text) + "]")
		case part.Bracket:
			b.WriteString("[" + part.Text + "]")
		case i > 0:
			b.WriteString("." + part.Text)
		default:
			b.WriteString(part.Text)
		}
	}
	return b.String()
}

// within tells whether p lies at or below outer.
func (p PatchPath) within(outer PatchPath) bool {
	if len(p) < len(outer) {
		return false
	}
	for i, part := range outer {
		if p[i].Text != part.Text {
			return false
		}
	}
	return true
}
