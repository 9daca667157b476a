package apt

import "strings"

// stanza is a paragraph of a control file: fields by their names in lower case.
// A value of several lines keeps its line breaks.
type stanza map[string]string

// stanzas reads all paragraphs of a control file.
func stanzas(text string) []stanza {
	var all []stanza
	current, last := stanza{}, ""
	for line := range strings.Lines(text + "\n\n") {
		line = strings.TrimRight(line, "\r\n")
		switch {
		case strings.TrimSpace(line) == "":
			if len(current) > 0 {
				all = append(all, current)
			}
			current, last = stanza{}, ""
		case line[0] == '#':
		case line[0] == ' ' || line[0] == '\t':
			if last != "" {
				current[last] += "\n" + line
			}
		default:
			name, value, _ := strings.Cut(line, ":")
			last = strings.ToLower(name)
			current[last] = strings.TrimSpace(value)
		}
	}
	return all
}

// relations reads a field like Depends: groups of names of which one each is
// enough. Versions are left out; apt has seen to them.
func (st stanza) relations(field string) [][]string {
	var groups [][]string
	for _, group := range strings.Split(st[field], ",") {
		var names []string
		for _, alternative := range strings.Split(group, "|") {
			if name := packageName(alternative); name != "" {
				names = append(names, name)
			}
		}
		if len(names) > 0 {
			groups = append(groups, names)
		}
	}
	return groups
}

// packageName is the name in "perl:any (>= 5.36)".
func packageName(relation string) string {
	name, _, _ := strings.Cut(strings.TrimSpace(relation), "(")
	name, _, _ = strings.Cut(strings.TrimSpace(name), ":")
	return name
}
