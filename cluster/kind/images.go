package kind

import "squall/cluster/components"

// The images of what every cluster has; the node image holds them, see nodeimage.
const (
	dnsImage     = "squall.local/coredns:" + components.CoreDNSVersion
	metricsImage = "squall.local/metrics-server:" + components.MetricsServerVersion
)
