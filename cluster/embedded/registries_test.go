//go:build linux

package embedded

import (
	"context"
	"path/filepath"
	"testing"

	"squall/cluster/components"
	"squall/workloads/image"
	"squall/workloads/image/imagetest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1apply "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// startRegistry serves a registry on the host's loopback that holds the pause
// program as team/pause:v1, and returns its host.
func startRegistry(t *testing.T, p *Provider) string {
	t.Helper()
	tree, err := components.Builder{Dir: filepath.Join(p.cache, "components")}.Build(t.Context())
	require.NoError(t, err)
	pause, err := image.Builder{Dir: filepath.Join(p.cache, "images")}.FromBinary(t.Context(), image.Binary{
		Name: "pause", Ref: "squall.local/pulled:v1", Path: tree.Path("pause"),
	})
	require.NoError(t, err)
	host, stop, err := imagetest.Serve(pause.Archive, "team/pause:v1")
	require.NoError(t, err)
	t.Cleanup(stop)
	return host
}

// early writes what only early work could have written.
func early(ctx context.Context, kubeconfig []byte) error {
	config, err := clientcmd.RESTConfigFromKubeConfig(kubeconfig)
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	_, err = client.CoreV1().ConfigMaps("default").Apply(ctx, corev1apply.ConfigMap("early", "default"), metav1.ApplyOptions{FieldManager: "test"})
	return err
}

func (c *testCluster) testEarly(t *testing.T) {
	assert.Contains(t, c.mustKubectl(t, "get", "configmap", "early", "-o", "name"), "configmap/early")
}

// testPull shows that a node pulls from a registry that answers the host, when
// the cluster names it, and from no other.
func (c *testCluster) testPull(t *testing.T, host string) {
	for pod, image := range map[string]string{"pulled": host + "/team/pause:v1", "refused": "registry.invalid/team/pause:v1"} {
		c.mustKubectl(t, "run", pod, "--image="+image, "--restart=Never", "--image-pull-policy=Always")
	}
	c.mustKubectl(t, "wait", "--for=condition=Ready", "pod/pulled", "--timeout=60s")
	c.mustKubectl(t, "wait", "--for=jsonpath={.status.containerStatuses[0].state.waiting.reason}=ErrImagePull", "pod/refused", "--timeout=60s")
	c.mustKubectl(t, "delete", "pod", "pulled", "refused", "--grace-period=0", "--force")
}
