package reports

import "time"

// HPAEntry is one change of a HorizontalPodAutoscaler, of its spec or of what its
// controller says, as the recorder's watch saw it at At.
type HPAEntry struct {
	Name   string `json:"name"`
	Target string `json:"target"` // what it scales: kind/name
	Min    int    `json:"min"`
	Max    int    `json:"max"`
	// Current and Desired are the controller's: the pods that it found, and those
	// that it asks for. Until it has looked once both are 0 and there are no
	// Conditions; until it could once read its metrics Desired is 0.
	Current int `json:"current"`
	Desired int `json:"desired"`
	// Scaled is when it last changed the number of pods, by the API's clock, which
	// tells whole seconds.
	Scaled     *time.Time     `json:"scaled,omitempty"`
	Metrics    []HPAMetric    `json:"metrics,omitempty"`    // in the order of its spec
	Conditions []HPACondition `json:"conditions,omitempty"` // sorted by type
	Deleted    bool           `json:"deleted,omitempty"`
}

// HPAMetric is one metric that an HPA goes by.
type HPAMetric struct {
	Name string `json:"name"` // "cpu", "pods/requests"
	// Target is what it is held to and Now what it was found to be, each as the
	// API has it: "60%", "500m". Now is empty when it could not be read.
	Target string `json:"target"`
	Now    string `json:"now,omitempty"`
}

// HPACondition is a condition of an HPA.
type HPACondition struct {
	Type   string `json:"type"`   // "AbleToScale", "ScalingActive", "ScalingLimited"
	Status string `json:"status"` // "True", "False", "Unknown"
	Reason string `json:"reason,omitempty"`
}

// Condition is the condition of a type; the zero value when the HPA has none.
func (h *HPAEntry) Condition(kind string) HPACondition {
	for _, c := range h.Conditions {
		if c.Type == kind {
			return c
		}
	}
	return HPACondition{}
}
