package reports

// AbortEntry says that a condition under which a run is to end became true at
// the entry's At. From there on nothing more was injected.
type AbortEntry struct {
	Name string `json:"name"`
	That string `json:"that"` // the CEL text
	// Known is, by load, the due time up to which its requests were known or
	// overdue: what live(load, d) looks at ends there.
	Known map[string]Offset `json:"known,omitempty"`
	// Values are the parts of That as the run saw them.
	Values []Value `json:"values,omitempty"`
}

// Aborted says in a [Verdict] which condition ended the run.
type Aborted struct {
	Name string `json:"name"`
	That string `json:"that"`
	At   Offset `json:"at"`
	// Says places it, for example "4.20s after kill".
	Says string `json:"says"`
	// Values are the parts of That with what the record makes of them.
	Values []Value `json:"values,omitempty"`
}
