package shop

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestValidateFindsEverythingInOnePass(t *testing.T) {
	spec := Spec{
		Services: []string{"gateway", "catalogue", "gateway"},
		Replicas: map[string]int{"gateway": 0, "catalog": 51},
		Bare:     []string{"catalog", "gateway", "gateway"},
	}
	assert.Equal(t, []Finding{
		{Path: "services", Value: `"catalogue"`, Problem: "is not a service of the shop", Allowed: []string{"catalog", "gateway"}},
		{Path: "services", Value: `"gateway"`, Problem: "is named twice; name it once"},
		{Path: "replicas.catalog", Value: `"catalog"`, Problem: "is not among the services that run", Allowed: spec.Services},
		{Path: "replicas.catalog", Value: "51", Problem: "must be 1 to 50"},
		{Path: "replicas.gateway", Value: "0", Problem: "must be 1 to 50"},
		{Path: "bare", Value: `"catalog"`, Problem: "is not among the services that run", Allowed: spec.Services},
		{Path: "bare", Value: `"gateway"`, Problem: "is named twice; name it once"},
	}, spec.Validate())
	assert.Equal(t, `replicas.gateway: 0: must be 1 to 50`, spec.Validate()[4].String())
	assert.Contains(t, spec.Validate()[0].String(), "; allowed: catalog, gateway")
}

func TestValidateAcceptsWhatIsRight(t *testing.T) {
	off := false
	spec := Spec{Services: Services(), Replicas: map[string]int{"catalog": 50, "gateway": 1}, Bare: []string{"catalog"}, Drain: &off}
	assert.Empty(t, spec.Validate())
	hour := time.Hour
	spec.Bare, spec.Cost = nil, map[string]time.Duration{"catalog": maxCost, "gateway": 0}
	spec.Autoscale = map[string]Autoscale{"catalog": {Min: 1, Max: 1, CPU: 1}, "gateway": {Min: 50, Max: 50, CPU: 1000, ScaleDownWindow: &hour}}
	assert.Empty(t, spec.Validate())
	assert.Len(t, (&Spec{}).Validate(), 1, "services are needed")
}

func TestTheFallbackIsTheGateways(t *testing.T) {
	spec := Spec{Services: []string{"catalog"}, Fallback: true}
	assert.Equal(t, []Finding{{Path: "fallback", Value: "true", Problem: "is the gateway's, which is not among the services that run"}}, spec.Validate())
	spec.Services = Services()
	assert.Empty(t, spec.Validate())
	assert.Equal(t, []string{"gateway", "-fallback"}, spec.container("gateway").Args)
	assert.Equal(t, []string{"catalog"}, spec.container("catalog").Args)
}

func TestValidateAutoscaleAndCost(t *testing.T) {
	long, odd := 2*time.Hour, 1500*time.Millisecond
	spec := Spec{
		Services: []string{"catalog"}, Bare: []string{"catalog"},
		Cost:      map[string]time.Duration{"catalog": -1, "gateway": time.Second},
		Autoscale: map[string]Autoscale{"catalog": {Min: 0, Max: -1, CPU: 0, ScaleDownWindow: &long}, "gateway": {Min: 3, Max: 2, CPU: 1001, ScaleDownWindow: &odd}},
	}
	var got []string
	for _, f := range spec.Validate() {
		got = append(got, f.String())
	}
	assert.Equal(t, []string{
		"cost.catalog: -1ns: must be 0s to 100ms",
		`cost.gateway: "gateway": is not among the services that run; allowed: catalog`,
		"cost.gateway: 1s: must be 0s to 100ms",
		`autoscale.catalog: "catalog": runs as pods without a controller, so there is nothing to scale`,
		"autoscale.catalog.min: 0: must be 1 to 50",
		"autoscale.catalog.max: -1: must be min to 50",
		"autoscale.catalog.cpu: 0: must be 1 to 1000 percent of the requested CPU",
		"autoscale.catalog.scaleDownWindow: 2h0m0s: must be whole seconds, 0s to 1h0m0s",
		`autoscale.gateway: "gateway": is not among the services that run; allowed: catalog`,
		"autoscale.gateway.max: 2: must be min to 50",
		"autoscale.gateway.cpu: 1001: must be 1 to 1000 percent of the requested CPU",
		"autoscale.gateway.scaleDownWindow: 1.5s: must be whole seconds, 0s to 1h0m0s",
	}, got)
}
