package judge_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"squall/scenarios"
	"squall/scenarios/judge"
	"squall/workloads/shop"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the generated table into docs/")

// Every measure is explained, by an expectation that can be judged.
func TestEveryMeasureIsExplained(t *testing.T) {
	s := podKill()
	s.Spec.Cluster.Workers = 1
	for _, name := range []string{"cut", "heal", "new version", "drain", "migrate"} {
		step := s.Spec.Timeline[0]
		step.Name = name
		s.Spec.Timeline = append(s.Spec.Timeline, step)
	}
	s.Spec.Load[0].Targets = []scenarios.MixedTarget{{Name: "list"}, {Name: "order"}}
	s.Spec.Load[0].By = map[string]string{"version": "header/X-Version"}
	s.Spec.Load[0].Classes = &scenarios.Classes{Degraded: &scenarios.Answer{Status: "206"}}
	s.Spec.Workloads[0].Shop.Autoscale = map[string]shop.Autoscale{"catalog": {Min: 1, Max: 6, CPU: 60}}
	for _, m := range judge.Measures() {
		t.Run(m.Of+" "+m.Name, func(t *testing.T) {
			assert.NotEmpty(t, m.Says)
			name, _, _ := strings.Cut(m.Name, "(")
			assert.Contains(t, m.Example, name, "the example uses it")
			e := that("example", m.Example)
			e.Condition = m.Condition
			assert.NoError(t, judge.Check(s, e))
		})
	}
}

func TestMeasuresAreFoundAsTheyAreWritten(t *testing.T) {
	for asked, want := range map[string][]string{
		"recovery":                           {".recovery", "event.recovery"},
		"event.recovery":                     {"event.recovery"},
		`event("a.b").recovery`:              {"event.recovery"},
		"fault.lost":                         {"window.lost"},
		"event(e).lost":                      {"window.lost"},
		`load("x").fault.lost`:               {"window.lost"},
		`load("x").fault`:                    {".fault"},
		`load("x").event("e").p99`:           {"window.p99"},
		`fault.worst(duration("1.5s"))`:      {"window.worst(d)"},
		"worst":                              {"window.worst(d)"},
		"p(99.9)":                            {"window.p(x)"},
		"ready":                              {"workload.ready", "node.ready"},
		`node("worker-1").ready`:             {"node.ready"},
		`workload("c").ready`:                {"workload.ready"},
		`fault.workload("c").least`:          {"workload.least"},
		`fault.hpa("c").flaps`:               {"hpa.flaps"},
		`event("e").hpa("c")`:                {"window.hpa(h)"},
		"enough":                             {"hpa.enough"},
		`workload("c").cpu.max`:              {"usage.max"},
		`fault.workload("c").memory`:         {"workload.memory"},
		"window(a, b)":                       {".window(a, b)"},
		"fault.target":                       {"window.target(t)"},
		`fault.by("version", "v2").lost`:     {"window.lost"},
		"steady":                             {".steady"},
		"live":                               {".live(l, d)"},
		`live("browse", duration("5s")).p99`: {"window.p99"},
		"fault.ready":                        nil,
		"workload.lost":                      nil,
		"nothing.lost":                       nil,
		"nothing":                            nil,
		"":                                   nil,
	} {
		var got []string
		for _, m := range judge.Explain(asked) {
			got = append(got, m.Of+"."+m.Name)
		}
		assert.Equal(t, want, got, asked)
	}
}

// measuresFile has the table between its marks.
const (
	measuresFile = "../../docs/measures.md"
	tableBegins  = "<!-- go test ./scenarios/judge -run TestTable -update -->\n"
	tableEnds    = "<!-- end of the table -->"
)

func measuresTable() string {
	var b strings.Builder
	b.WriteString("| measure | type | meaning |\n| --- | --- | --- |\n")
	for _, m := range judge.Measures() {
		name := map[string]string{"window": m.Name, "event": "event(e)." + m.Name, "workload": "workload(w)." + m.Name, "usage": "workload(w).cpu." + m.Name, "hpa": "hpa(h)." + m.Name, "node": "node(n)." + m.Name}[m.Of]
		if name != "" {
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", name, m.Type, m.Says)
		}
	}
	return b.String()
}

func TestTableOfMeasures(t *testing.T) {
	text, err := os.ReadFile(measuresFile)
	require.NoError(t, err)
	before, rest, found := strings.Cut(string(text), tableBegins)
	require.True(t, found)
	table, after, found := strings.Cut(rest, tableEnds)
	require.True(t, found)
	if *update {
		table = measuresTable()
		require.NoError(t, os.WriteFile(measuresFile, []byte(before+tableBegins+table+tableEnds+after), 0o644))
	}
	assert.Equal(t, measuresTable(), table, "go test ./scenarios/judge -run TestTable -update")
}
