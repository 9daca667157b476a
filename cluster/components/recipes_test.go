package components

import (
	"go/format"
	"io/fs"
	"path"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/mod/modfile"
)

// The versions that we announce are those that the modules pin.
func TestRecipesAreWellFormed(t *testing.T) {
	folders, err := fs.ReadDir(recipeFiles, "recipes")
	require.NoError(t, err)
	recipes := shipped()
	assert.Len(t, folders, len(recipes), "a folder and no recipe, or the reverse")
	for _, r := range recipes {
		t.Run(r.Name, func(t *testing.T) {
			target, err := r.target()
			require.NoError(t, err)
			mod, err := fs.ReadFile(target.Source, "go.mod.txt")
			require.NoError(t, err)
			file, err := modfile.Parse("go.mod", mod, nil)
			require.NoError(t, err)
			assert.Equal(t, "squall.dev/components/"+r.Name, file.Module.Mod.Path)
			sum, err := fs.ReadFile(target.Source, "go.sum.txt")
			require.NoError(t, err)
			pinned := map[string]string{}
			for _, need := range file.Require {
				pinned[need.Mod.Path] = need.Mod.Version
			}
			for _, c := range append([]Component{r.Component}, r.also...) {
				assert.Equal(t, c.Version, pinned[c.Module], "version of %s", c.Name)
				if c.Module != "" {
					assert.Contains(t, string(sum), c.Module+" "+c.Version+" h1:")
				}
			}
			assertFormatted(t, target.Source)
			for _, p := range r.programs {
				if p.Package != "" {
					assert.True(t, strings.HasPrefix(p.Package, r.Module+"/"), "%s is not of module %s", p.Package, r.Module)
					assert.Equal(t, path.Base(p.Package), p.Name)
				}
			}
		})
	}
}

// assertFormatted holds recipes to gofmt, which does not see them: their names
// end in .txt.
func assertFormatted(t *testing.T, source fs.FS) {
	t.Helper()
	names, err := fs.Glob(source, "*.go.txt")
	require.NoError(t, err)
	assert.NotEmpty(t, names)
	for _, name := range names {
		data, err := fs.ReadFile(source, name)
		require.NoError(t, err)
		want, err := format.Source(data)
		require.NoError(t, err)
		assert.Equal(t, string(want), string(data), "%s is not formatted", name)
	}
}

func TestKubernetesLDFlags(t *testing.T) {
	flags := kubernetesLDFlags("v1.36.3")
	assert.Contains(t, flags, "version.gitVersion=v1.36.3 ")
	assert.Contains(t, flags, "version.gitMajor=1 ")
	assert.Contains(t, flags, "version.gitMinor=36 ")
}

func TestListNamesEveryProgramOnce(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range List() {
		assert.NotEmpty(t, c.Programs, c.Name)
		for _, p := range c.Programs {
			assert.False(t, seen[p], "%s is listed twice", p)
			seen[p] = true
		}
	}
	for _, want := range []string{
		"etcd", "etcdctl", "etcdutl", "kube-apiserver", "kube-controller-manager", "kube-proxy", "kube-scheduler", "kubeadm", "kubectl", "kubelet",
		"containerd", "containerd-shim-runc-v2", "ctr", "host-local", "loopback", "portmap", "ptp", "coredns", "metrics-server", "pause",
	} {
		assert.True(t, seen[want], "%s is missing", want)
	}
	assert.Len(t, seen, 20)
}
