package engine

import (
	"context"
	"fmt"
)

// Fact is one thing that kind clusters need, or that is worth knowing of where
// they are.
type Fact struct {
	What string `json:"what"`          // what it is
	OK   bool   `json:"ok"`            // it is so
	Way  string `json:"way,omitempty"` // what to do when it is not, or what follows from it
}

// Facts says what kind clusters need and find here.
func Facts(ctx context.Context) []Fact {
	e, err := Look(ctx)
	if e.Version == "" {
		return []Fact{{What: "a Docker engine", Way: fmt.Sprint(err)}}
	}
	facts := []Fact{{What: fmt.Sprintf("Docker engine %s, storage driver %s, runtime %s", e.Version, e.Driver, e.Runtime), OK: true}}
	disk := Fact{What: "the engine's disk is another machine's, its free space is not known", OK: true}
	if e.DiskTotal > 0 {
		disk = Fact{What: fmt.Sprintf("%.0f GiB free for the engine, of %d needed", float64(e.DiskFree)/(1<<30), LeastDisk>>30),
			OK: e.checkDisk() == nil, Way: "free some of it, \"docker system df\" shows what is on it"}
	}
	facts = append(facts, disk)
	if e.Cgroups == "1" {
		facts = append(facts, Fact{What: "control groups of version 1: kubelets are told that they are wanted (failCgroupV1: false)", OK: true})
	}
	if withholds() {
		facts = append(facts, Fact{What: "CAP_SYS_RESOURCE is withheld here; the engine's runtime leaves it out", OK: e.Runtime == "squall",
			Way: "privileged containers do not start; an engine that \"squall docker\" starts has such a runtime"})
	}
	return facts
}
