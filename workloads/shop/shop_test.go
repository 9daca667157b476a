package shop

import (
	"testing"

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
