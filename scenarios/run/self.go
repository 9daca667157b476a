package run

import (
	"squall/reports"
	"squall/workloads/traffic"
)

// selfEntry is what a generator tells of itself, as the record has it.
func selfEntry(g *generator, s traffic.Self) reports.Entry {
	entry := reports.GeneratorEntry{Load: g.load.Name}
	for _, p := range s.Pauses {
		entry.Pauses = append(entry.Pauses, reports.Pause(p))
	}
	return reports.Entry{At: s.At, Kind: reports.KindGenerator, Generator: &entry}
}
