package run

import (
	"testing"

	"squall/scenarios"
	"squall/workloads/traffic"

	"github.com/stretchr/testify/assert"
)

func TestClassesAreToldToTheGenerator(t *testing.T) {
	assert.Equal(t, &traffic.Classes{Full: "2xx"}, classes(nil, "2xx"))
	assert.Equal(t, &traffic.Classes{Full: "200", Degraded: &traffic.Answer{Header: map[string]string{"X-Degraded": "true"}},
		Failed: &traffic.Answer{Status: "4xx", Body: "error"}},
		classes(&scenarios.Classes{Degraded: &scenarios.Answer{Header: map[string]string{"X-Degraded": "true"}},
			Failed: &scenarios.Answer{Status: "4xx", Body: "error"}}, "200"))
}
