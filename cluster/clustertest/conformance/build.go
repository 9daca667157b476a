package conformance

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"strings"

	"squall/cluster/components"
	"squall/workloads/image/cache"
	"squall/workloads/image/gobuild"
)

// Version is the Kubernetes release whose tests are built.
const Version = components.KubernetesVersion

//go:embed recipe
var recipeFiles embed.FS

// Programs are what is compiled from upstream's modules.
type Programs struct {
	// Tests is the path of test/e2e's test program.
	Tests string
	// agnhost, nonewprivs and sampleAPIServer go into images.
	agnhost, nonewprivs, sampleAPIServer string
}

// Build compiles the tests, and the programs that the images hold, into the
// component cache dir, or finds them there. The first time it takes some two
// minutes where the cluster's own components have been built, and ten more where
// they have not. Progress, when not nil, is told when it compiles.
func Build(ctx context.Context, dir string, progress func(string)) (Programs, error) {
	source, err := fs.Sub(recipeFiles, "recipe")
	if err != nil {
		return Programs{}, fmt.Errorf("the recipe of the conformance tests: %w", err)
	}
	target := gobuild.Target{
		Name:   "conformance",
		Source: source,
		Programs: []gobuild.Program{
			{Name: "agnhost", Package: "k8s.io/kubernetes/test/images/agnhost"},
			{Name: "nonewprivs", Package: "k8s.io/kubernetes/test/images/nonewprivs"},
			{Name: "sample-apiserver", Package: "k8s.io/sample-apiserver"},
		},
		Tests:   []gobuild.Program{{Name: "e2e.test", Package: "k8s.io/kubernetes/test/e2e"}},
		LDFlags: ldflags(Version),
	}
	say := func(line string) {
		if progress != nil {
			progress(line)
		}
	}
	target.Starting = func() {
		say("building upstream's end-to-end tests " + Version + ", which takes some minutes the first time")
	}
	store := cache.Store{Dir: dir, Waiting: func() { say("waiting for another build of components in " + dir) }}
	entry, err := target.Build(ctx, store)
	if err != nil {
		return Programs{}, fmt.Errorf("build upstream's end-to-end tests: %w", err)
	}
	return Programs{
		Tests:           entry.Path("e2e.test"),
		agnhost:         entry.Path("agnhost"),
		nonewprivs:      entry.Path("nonewprivs"),
		sampleAPIServer: entry.Path("sample-apiserver"),
	}, nil
}

// ldflags stamp the version as Kubernetes' own build does (hack/lib/version.sh):
// some tests compare the server's with their own.
func ldflags(version string) string {
	parts := strings.SplitN(strings.TrimPrefix(version, "v"), ".", 3)
	const base = "k8s.io/component-base/version."
	return strings.Join([]string{
		"-X " + base + "gitVersion=" + version,
		"-X " + base + "gitMajor=" + parts[0],
		"-X " + base + "gitMinor=" + parts[1],
		"-X " + base + "gitTreeState=clean",
		"-X k8s.io/client-go/pkg/version.gitVersion=" + version,
	}, " ")
}
