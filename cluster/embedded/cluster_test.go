//go:build linux

package embedded

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"squall/cluster"
	"squall/cluster/components"
	"squall/workloads/image"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/api/resource"
)

// The test program is also every part of a cluster, and a client that tests run
// elsewhere.
func TestMain(m *testing.M) {
	if code, handled := Main(os.Args); handled {
		os.Exit(code)
	}
	switch os.Getenv("SQUALL_TEST_AS") {
	case "get":
		os.Exit(getAs(os.Args[1:]))
	case "hold":
		os.Exit(holdAs(os.Args[1]))
	case "place":
		os.Exit(placeAs())
	case "joiner":
		os.Exit(joinAs(os.Args[1]))
	case "owner":
		os.Exit(ownAs(os.Args[1]))
	case "leaver":
		_, err := provider().Create(context.Background(), detachedSpec(os.Args[1]), nil)
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// getAs prints what a URL answers, its status first.
func getAs(args []string) int {
	client := http.Client{Timeout: 5 * time.Second}
	r, err := client.Get(args[0])
	if err != nil {
		fmt.Println(err)
		return 1
	}
	defer r.Body.Close()
	fmt.Println(r.StatusCode)
	_, _ = io.Copy(os.Stdout, r.Body)
	return 0
}

// ownAs makes a cluster that is to end with this process, says so and waits.
func ownAs(name string) int {
	_, err := provider().Create(context.Background(), smallSpec(name), nil)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println("up")
	select {}
}

// provider caches where the program does, so that tests need not build what is
// built.
func provider() *Provider {
	cache := os.Getenv("SQUALL_CACHE")
	if cache == "" {
		dir, err := os.UserCacheDir()
		if err != nil {
			panic(err)
		}
		cache = filepath.Join(dir, "squall")
	}
	return New(cache)
}

func smallSpec(name string) cluster.Spec {
	return cluster.Spec{Name: name, Workers: 1, NodeCPU: resource.MustParse("1"), NodeMemory: resource.MustParse("2Gi")}
}

func detachedSpec(name string) cluster.Spec {
	s := smallSpec(name)
	s.Detached = true
	return s
}

// testCluster is a cluster with three workers and a way to call kubectl.
type testCluster struct {
	cluster.Cluster
	p          *Provider
	kubectlBin string
	kubeconfig string
}

// kubectl runs kubectl as a user would, from the host.
func (c *testCluster) kubectl(t *testing.T, stdin string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.kubectlBin, args...)
	cmd.Env = []string{"KUBECONFIG=" + c.kubeconfig, "HOME=" + t.TempDir()}
	cmd.Stdin = strings.NewReader(stdin)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}

func (c *testCluster) mustKubectl(t *testing.T, args ...string) string {
	out, err := c.kubectl(t, "", args...)
	require.NoError(t, err, "kubectl %v: %s", args, out)
	return out
}

// upCluster makes the shared cluster.
func upCluster(t *testing.T, registry string) *testCluster {
	return upWith(t, cluster.Spec{
		Name: "test", Workers: 3, Registries: []string{registry}, Early: early,
		NodeCPU: resource.MustParse("1"), NodeMemory: resource.MustParse("1536Mi"),
	})
}

// upWith makes a cluster that has the image of the probe.
func upWith(t *testing.T, spec cluster.Spec) *testCluster {
	p := provider()
	probe, err := image.Builder{Dir: filepath.Join(p.cache, "images")}.FromProgram(t.Context(), image.Program{
		Name: "probe", Ref: "squall.local/probe:test", Source: os.DirFS("testdata/probe"),
	})
	require.NoError(t, err)
	spec.Detached, spec.Images = true, append(spec.Images, probe)
	c, err := p.Create(t.Context(), spec, func(s string) { t.Log(s) })
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, p.Remove(context.Background(), spec.Name))
		assertNothingLeft(t, spec.Name)
	})
	tree, err := components.Builder{Dir: filepath.Join(p.cache, "components")}.Build(t.Context())
	require.NoError(t, err)
	config, err := c.Kubeconfig()
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "kubeconfig")
	require.NoError(t, os.WriteFile(file, config, 0o600))
	return &testCluster{Cluster: c, p: p, kubectlBin: tree.Path("kubectl"), kubeconfig: file}
}

func TestCluster(t *testing.T) {
	host := startRegistry(t, provider())
	c := upCluster(t, host)
	c.startBusy(t)
	t.Run("early work", c.testEarly)
	t.Run("images from a registry", func(t *testing.T) { c.testPull(t, host) })
	t.Run("nodes", c.testNodes)
	t.Run("shares of the processors", c.testShares)
	t.Run("names and the list", c.testFind)
	t.Run("rights", c.testRights)
	c.testWorkload(t)
	t.Run("metrics", c.testMetrics)
	t.Run("a killed kubelet comes back", c.testKubelet)
	t.Run("processes of a pod", c.testPodProcesses)
	t.Run("a program on the client host ends with its context", c.testExecCancelled)
}

func (c *testCluster) testNodes(t *testing.T) {
	out := c.mustKubectl(t, "get", "nodes", "-o",
		`jsonpath={range .items[*]}{.metadata.name} {.status.conditions[?(@.type=="Ready")].status} {.status.capacity.cpu} {.status.capacity.memory} {.status.nodeInfo.kubeletVersion}{"\n"}{end}`)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	require.Len(t, lines, 4)
	assert.Contains(t, lines[0], "control-plane-1 True")
	for i, line := range lines[1:] {
		assert.Equal(t, fmt.Sprintf("worker-%d True 1 1536Mi %s", i+1, components.KubernetesVersion), line)
	}
	assert.Contains(t, c.mustKubectl(t, "get", "nodes"), "control-plane ", "the role's label")
	assert.Contains(t, c.mustKubectl(t, "get", "node", "control-plane-1", "-o", "jsonpath={.spec.taints}"), "NoSchedule")
}

// testShares shows that pods go before the daemons of their node and workers
// before the control plane, and that no process competes with the groups below
// its own.
func (c *testCluster) testShares(t *testing.T) {
	g, err := findGroups()
	require.NoError(t, err)
	dir, file, scale := g.Hierarchies[0].Dir, "cpu.weight", int64(100)
	if g.Version == 1 {
		dir, err = g.controllerDir("cpu", "")
		require.NoError(t, err)
		file, scale = "cpu.shares", wholeShare
	}
	share := func(group string) int64 {
		n, err := strconv.ParseInt(strings.TrimSpace(read(t, dir, "squall.test", group, file)), 10, 64)
		require.NoError(t, err)
		return n * wholeShare / scale
	}
	for _, n := range c.Info().Nodes {
		want := int64(workerShare)
		if n.ControlPlane {
			want = wholeShare
		}
		assert.Equal(t, want, share(n.Name), n.Name)
		assert.Equal(t, int64(daemonShare), share(n.Name+"/init"), n.Name)
		assert.Greater(t, share(n.Name+"/kubepods"), int64(daemonShare), n.Name)
		assert.Empty(t, read(t, dir, "squall.test", n.Name, "cgroup.procs"), n.Name)
		assert.NotEmpty(t, read(t, dir, "squall.test", n.Name, "init/cgroup.procs"), n.Name)
	}
}

func (c *testCluster) testFind(t *testing.T) {
	found, err := c.p.Find(t.Context(), "test")
	require.NoError(t, err)
	assert.Equal(t, c.Info(), found.Info())
	list, err := c.p.List(t.Context())
	require.NoError(t, err)
	assert.Contains(t, list, c.Info())
	_, err = c.p.Find(t.Context(), "absent")
	assert.ErrorIs(t, err, cluster.ErrNotFound)
	assert.NoError(t, c.p.Remove(t.Context(), "absent"))
	_, err = c.p.Create(t.Context(), smallSpec("test"), nil)
	assert.ErrorIs(t, err, cluster.ErrExists)
	info, err := os.Stat(filepath.Join(c.p.folder("test"), kubeconfigFile))
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())
}

// testRights shows that nothing is allowed to everybody.
func (c *testCluster) testRights(t *testing.T) {
	out, err := c.kubectl(t, "", "--as=system:node:worker-1", "--as-group=system:nodes", "get", "secrets", "-A")
	assert.Error(t, err)
	assert.Contains(t, out, "Forbidden")
	out, err = c.kubectl(t, "", "--as=system:node:worker-1", "--as-group=system:nodes", "label", "node", "worker-2", "a=b")
	assert.Error(t, err)
	assert.Contains(t, out, "Forbidden", "a kubelet may not touch another node")
	out, err = c.kubectl(t, "", "--as=somebody", "get", "pods")
	assert.Error(t, err)
	assert.Contains(t, out, "Forbidden")
	status := c.onClientHost(t, "http://10.210.0.11:10255/pods")
	assert.Contains(t, status, "refused", "kubelet's read-only port")
}

// onClientHost fetches a URL from the client host.
func (c *testCluster) onClientHost(t *testing.T, url string) string {
	t.Setenv("SQUALL_TEST_AS", "get")
	exe, err := os.Executable()
	require.NoError(t, err)
	var out bytes.Buffer
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := c.Exec(ctx, cluster.Exec{Argv: []string{exe, url}, Stdout: &out}); err != nil {
		fmt.Fprintln(&out, err)
	}
	return out.String()
}

func (c *testCluster) testWorkload(t *testing.T) {
	manifest, err := os.ReadFile("testdata/web.yaml")
	require.NoError(t, err)
	out, err := c.kubectl(t, string(manifest), "apply", "-f", "-")
	require.NoError(t, err, out)
	out, err = c.kubectl(t, "", "rollout", "status", "deployment/web", "--timeout=30s")
	require.NoError(t, err, "%s\n%s", out, c.mustKubectl(t, "describe", "pods"))
	t.Run("spread over the workers", func(t *testing.T) {
		nodes := strings.Fields(c.mustKubectl(t, "get", "pods", "-l", "app=web", "-o", "jsonpath={.items[*].spec.nodeName}"))
		assert.ElementsMatch(t, []string{"worker-1", "worker-2", "worker-3"}, nodes)
	})
	t.Run("logs", func(t *testing.T) {
		assert.Contains(t, c.mustKubectl(t, "logs", "deployment/web"), "serving as web-")
	})
	t.Run("exec, and a Service by its name", func(t *testing.T) {
		out := c.mustKubectl(t, "exec", "deployment/web", "--", "/probe", "get", "http://web.default.svc.cluster.local/")
		assert.Contains(t, out, "hello from web-")
	})
	t.Run("a NodePort on every node", func(t *testing.T) {
		for _, n := range c.Info().Nodes {
			assert.Contains(t, c.onClientHost(t, "http://"+n.Address+":30080/"), "200\nhello from web-", n.Name)
		}
	})
	t.Run("port-forward", c.testPortForward)
}

func (c *testCluster) testPortForward(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.kubectlBin, "port-forward", "service/web", ":80")
	cmd.Env = []string{"KUBECONFIG=" + c.kubeconfig, "HOME=" + t.TempDir()}
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	defer func() { cancel(); _ = cmd.Wait() }()
	line := make([]byte, 200)
	n, err := out.Read(line)
	require.NoError(t, err)
	_, rest, ok := strings.Cut(string(line[:n]), "Forwarding from ")
	require.True(t, ok, string(line[:n]))
	address, _, _ := strings.Cut(rest, " ")
	r, err := http.Get("http://" + address)
	require.NoError(t, err)
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	assert.Contains(t, string(body), "hello from web-")
}
