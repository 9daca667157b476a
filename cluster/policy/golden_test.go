package policy

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/knftables"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "write the golden files instead of comparing with them")

// golden is the input of a golden file, on the node worker-1.
type golden struct {
	Namespaces []*corev1.Namespace
	Pods       []*corev1.Pod
	Policies   []*networkingv1.NetworkPolicy
}

// TestGolden compares the tables that files of objects make with golden files.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			var g golden
			require.NoError(t, yaml.UnmarshalStrict(text, &g))
			rules := build(state{node: nodes()[0], namespaces: g.Namespaces, pods: g.Pods, policies: g.Policies})
			k := &kernel{nft: knftables.NewFake(knftables.InetFamily, tableName)}
			_, err = k.apply(t.Context(), rules, false)
			require.NoError(t, err)
			got := strings.ReplaceAll(dump(k), " inet "+tableName, "")
			for _, p := range rules.idle {
				got += "# idle: " + p + "\n"
			}
			for _, w := range rules.warnings {
				got += "# warning: " + w + "\n"
			}
			file = strings.TrimSuffix(file, ".yaml") + ".golden"
			if *update {
				require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
			}
			want, err := os.ReadFile(file)
			require.NoError(t, err)
			assert.Equal(t, string(want), got)
		})
	}
}

// policyObject is a policy with a spec in YAML.
func policyObject(t *testing.T, namespace, name, spec string) *networkingv1.NetworkPolicy {
	t.Helper()
	p := &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	require.NoError(t, yaml.UnmarshalStrict([]byte(spec), &p.Spec))
	return p
}
