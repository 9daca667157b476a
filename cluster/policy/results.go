package policy

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// result is what the runtime keeps of one call of its network plugins
// (cachedInfo in libcni/api.go of github.com/containernetworking/cni 1.3.0),
// with the arguments that containerd gives (internal/cri/server/sandbox_run.go
// of containerd 2.2).
type result struct {
	Kind    string      `json:"kind"`
	NetNS   string      `json:"netns"`
	CNIArgs [][2]string `json:"cniArgs"`
	Result  struct {
		IPs []struct {
			Address string `json:"address"`
		} `json:"ips"`
	} `json:"result"`

	written time.Time
}

// watchResults prepares c.given and asks for a sync when the folder of results
// changes. The runtime writes a result before it starts a container in that
// network, so the rules are there in time; the API learns the address only from
// the kubelet's next report.
func (c *controller) watchResults() (stop func(), err error) {
	c.given = func() map[netip.Addr]podKey { return nil }
	if c.CNIResults == "" {
		return func() {}, nil
	}
	// The runtime makes the folder with its first pod, with this mode.
	if err := os.MkdirAll(c.CNIResults, 0o700); err != nil {
		return nil, fmt.Errorf("enforcing network policies: making the folder of the pod network's results: %w", err)
	}
	c.given = func() map[netip.Addr]podKey { return givenAddresses(c.CNIResults) }
	return watchFolder(c.CNIResults, c.pressing)
}

// givenAddresses are the addresses that pods of this node have. A file that
// cannot be read is half written or just removed: the next change brings a sync.
func givenAddresses(folder string) map[netip.Addr]podKey {
	files, err := filepath.Glob(filepath.Join(folder, "*"))
	if err != nil {
		return nil
	}
	var results []result
	for _, f := range files {
		if r, ok := readResult(f); ok {
			results = append(results, r)
		}
	}
	// Of two pods that got one address, the later one has it.
	slices.SortStableFunc(results, func(a, b result) int { return a.written.Compare(b.written) })
	given := map[netip.Addr]podKey{}
	for _, r := range results {
		for _, ip := range r.Result.IPs {
			if p, err := netip.ParsePrefix(ip.Address); err == nil {
				given[p.Addr().Unmap()] = r.pod()
			}
		}
	}
	return given
}

func readResult(file string) (result, bool) {
	var r result
	text, err := os.ReadFile(file)
	if err != nil || json.Unmarshal(text, &r) != nil || r.Kind != "cniCacheV1" || r.pod().Name == "" {
		return r, false
	}
	// Files outlive a node that lost its power; the networks do not.
	if _, err := os.Stat(r.NetNS); err != nil {
		return r, false
	}
	info, err := os.Stat(file)
	if err != nil {
		return r, false
	}
	r.written = info.ModTime()
	return r, true
}

func (r result) pod() podKey {
	var key podKey
	for _, a := range r.CNIArgs {
		switch a[0] {
		case "K8S_POD_NAMESPACE":
			key.Namespace = cmp.Or(key.Namespace, a[1])
		case "K8S_POD_NAME":
			key.Name = cmp.Or(key.Name, a[1])
		}
	}
	return key
}
