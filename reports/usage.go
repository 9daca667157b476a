package reports

import (
	"fmt"
	"strings"
)

// UsageMeasure is what a workload's pods used together over a run, for the
// reports. What the figures are worth stands at [UsageEntry].
type UsageMeasure struct {
	Workload  string  `json:"workload"`
	CPUMean   float64 `json:"cpuMean"` // cores
	CPUMost   float64 `json:"cpuMost"`
	MemoryMax float64 `json:"memoryMost"` // bytes
}

// usage writes one line for all workloads.
func (t *text) usage(all []UsageMeasure) {
	var parts []string
	for _, u := range all {
		parts = append(parts, fmt.Sprintf("%s %.3f cores, at most %.3f and %.1f MiB", clean(u.Workload), u.CPUMean, u.CPUMost, u.MemoryMax/(1<<20)))
	}
	if len(parts) > 0 {
		t.para(2, "used · "+strings.Join(parts, " · "), dim)
	}
}
