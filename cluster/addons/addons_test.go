package addons

import (
	"testing"

	"squall/cluster"

	"github.com/stretchr/testify/assert"
	rbacv1 "k8s.io/api/rbac/v1"
)

func TestKubeletsAreTrustedWhereTheyMustBe(t *testing.T) {
	const authority, trust = "--kubelet-certificate-authority=/etc/metrics-server/kubelet-ca/ca.crt", "--kubelet-insecure-tls"
	assert.Contains(t, metricsContainer(MetricsOptions{KubeletAuthority: true}).Args, authority)
	assert.NotContains(t, metricsContainer(MetricsOptions{KubeletAuthority: true}).Args, trust)
	assert.Contains(t, metricsContainer(MetricsOptions{}).Args, trust)
	assert.NotContains(t, metricsContainer(MetricsOptions{}).Args, authority)
}

func TestServicesHaveTheRightsOfTheirPartsOnly(t *testing.T) {
	rules := func(without ...cluster.Part) int {
		parts := map[cluster.Part]bool{}
		for _, p := range without {
			parts[p] = true
		}
		n := 0
		for _, o := range NodeServices(parts, "user", true) {
			if role, ok := o.Object.(*rbacv1.ClusterRole); ok {
				n += len(role.Rules)
			}
		}
		return n
	}
	all := rules()
	assert.Zero(t, rules(cluster.Policy, cluster.Storage, cluster.LoadBalancers))
	for _, part := range []cluster.Part{cluster.Policy, cluster.Storage, cluster.LoadBalancers} {
		assert.Less(t, rules(part), all, part)
		assert.Positive(t, rules(part), part)
	}
}
