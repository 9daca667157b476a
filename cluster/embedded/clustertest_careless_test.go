//go:build linux && careless

package embedded

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"regexp"
	"testing"
	"testing/fstest"

	"squall/cluster"
	"squall/cluster/clustertest"
	"squall/workloads/image"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/api/resource"
)

// careless makes clusters that are not what was asked for, does nothing to
// nodes, and takes every specification.
type careless struct{ *Provider }

// hollow makes right clusters, in whose pods a program runs that only sleeps.
type hollow struct {
	*Provider
	image image.Image
}

const hollowProgram = `package main

import ("os"; "os/signal"; "syscall")

func main() {
	if len(os.Args) > 1 && (os.Args[1] == "serve" || os.Args[1] == "sleep") {
		ended := make(chan os.Signal, 1)
		signal.Notify(ended, syscall.SIGTERM)
		<-ended
	}
}
`

// These tests take minutes, and what comes out changes only when a check does.
// The tag keeps them out of other runs, where they would be green without having
// run: "make careless-tests" runs them.

// failing runs the suite and checks that what is about some subject fails, but
// for the checks of what Kubernetes does right all the same.
func failing(t *testing.T, o clustertest.Options, subject, right string) {
	about := regexp.MustCompile(subject)
	if *suiteOnly == "" {
		o.Only = about
	}
	tried := 0
	for _, r := range clustertest.Run(t.Context(), o) {
		if about.MatchString(r.Check.Name) && !regexp.MustCompile(right).MatchString(r.Check.Name) {
			tried++
			assert.Error(t, r.Err, "%s passes", r.Check.Name)
		}
	}
	assert.NotZero(t, tried, "nothing of %s ran with -clustertest.only %q", subject, *suiteOnly)
}

func TestSuiteSeesACarelessProvider(t *testing.T) {
	o := suiteOptions(t, "careless")
	o.Provider = careless{provider()}
	failing(t, o, `^(nodes|making|metrics/node size)`, `^making/(one worker|removed|parts)$`)
}

func TestSuiteSeesHollowPods(t *testing.T) {
	o := suiteOptions(t, "hollow")
	p := provider()
	made, err := image.Builder{Dir: filepath.Join(p.cache, "images")}.FromProgram(t.Context(), image.Program{
		Name: "probe", Ref: "squall.local/clustertest:v1", Source: fstest.MapFS{
			"go.mod.txt": {Data: []byte("module hollow\n\ngo 1.26.0\n")}, "go.sum.txt": {}, "main.go": {Data: []byte(hollowProgram)},
		},
	})
	require.NoError(t, err)
	o.Provider = hollow{p, made}
	failing(t, o, `^(workloads|pods|network|services|policy|storage|metrics)/`,
		`^(workloads/(daemonset|cronjob)|pods/(preemption|placement|eviction and PDB)|storage/impossible|metrics/node size)$`)
}

func (p hollow) Create(ctx context.Context, spec cluster.Spec, progress func(string)) (cluster.Cluster, error) {
	spec.Images = []image.Image{p.image}
	return p.Provider.Create(ctx, spec, progress)
}

func (p careless) Create(_ context.Context, spec cluster.Spec, progress func(string)) (cluster.Cluster, error) {
	asked := cluster.Spec{
		Name: spec.Name, Workers: max(1, min(spec.Workers, 2)), Images: spec.Images,
		NodeCPU: resource.MustParse("1"), NodeMemory: resource.MustParse("1536Mi"),
	}
	if cluster.CheckName(asked.Name) != nil {
		asked.Name = "careless-name"
	}
	c, err := p.Provider.Create(context.Background(), asked, progress)
	if errors.Is(err, cluster.ErrExists) {
		c, err = p.Find(context.Background(), asked.Name)
	}
	return idle{c}, err
}

// idle is a cluster that does nothing to its nodes.
type idle struct{ cluster.Cluster }

func (c idle) Exec(ctx context.Context, run cluster.Exec) error {
	run.Node, run.Inside = "", false
	return c.Cluster.Exec(ctx, run)
}

func (c idle) Nodes() cluster.Nodes { return idleNodes{c.Cluster.Nodes()} }

func (idle) PodProcesses(context.Context, string, string) (int, error) { return 3, nil }

type idleNodes struct{ cluster.Nodes }

func (idleNodes) Act(context.Context, string, cluster.NodeAction) error { return nil }

func (idleNodes) Add(context.Context) (cluster.Node, error) {
	return cluster.Node{Name: "worker-9", Address: "10.210.0.19"}, nil
}

func (idleNodes) Remove(context.Context, string) error { return nil }

func (idleNodes) Logs(context.Context, string, string, io.Writer) error { return nil }
