// Package shop describes the sample system: its scenario settings and the
// Kubernetes objects they become. The program itself is in the folder server.
package shop

// Spec is what a scenario says about the shop.
type Spec struct {
	// Services are the roles that run, from [Services].
	Services []string `yaml:"services"`
	// Replicas are the number of pods a service, default 1.
	Replicas map[string]int `yaml:"replicas,omitempty"`
	// Bare runs the services named as pods without a controller.
	Bare []string `yaml:"bare,omitempty"`
	// Drain is whether a pod finishes its requests at SIGTERM; default on.
	Drain *bool `yaml:"drain,omitempty"`
}
