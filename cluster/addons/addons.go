// Package addons are the objects that every cluster has, whatever made it, and
// how they are created: DNS, metrics, and what a node's own services need. None
// of it is installed later or by somebody else; a cluster that lacks one of them
// is not ready.
//
// It runs nothing but what it waits for, and knows neither images nor keys: who
// makes the cluster gives both.
package addons

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
)

// Object is an object that every cluster has, and where it is created.
type Object struct {
	Path   string
	Object runtime.Object
}

// NewRESTClient returns a client for any path of the API.
func NewRESTClient(cfg *rest.Config) (*rest.RESTClient, error) {
	c := rest.CopyConfig(cfg)
	c.NegotiatedSerializer = scheme.Codecs.WithoutConversion()
	return rest.UnversionedRESTClientFor(c)
}

// Apply creates objects that are not there yet.
func Apply(ctx context.Context, client *rest.RESTClient, objects []Object) error {
	for _, o := range objects {
		err := client.Post().AbsPath(o.Path).Body(o.Object).Do(ctx).Error()
		if err != nil && !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("creating %T in %s: %w", o.Object, o.Path, err)
		}
	}
	return nil
}

const (
	rbacPath   = "/apis/rbac.authorization.k8s.io/v1"
	systemPath = "/namespaces/kube-system"
)

// ControlPlaneRole is the label and the taint of control-plane nodes.
const ControlPlaneRole = "node-role.kubernetes.io/control-plane"
