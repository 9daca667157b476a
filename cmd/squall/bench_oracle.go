package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"squall/cluster"
	"squall/cluster/embedded"
	"squall/scenarios/oracle"

	"github.com/spf13/cobra"
)

const benchOracleHelp = `Measure how often healing comes when the oracle says, over many runs.

Usage:
  squall bench oracle [FLAGS]

Flags:
  --kinds LIST        faults, separated by a comma; default pod-kill,node-stop,node-power-off
  --runs-each N       how many conclusive runs of each there are to be, with fast timers;
                      default 40
  --stock N           and of node-power-off with stock timers; default 5, with --shift 0
  --file FILE         the runs so far, one line each; what is in it is not run again;
                      default oracle-runs.jsonl
  --seed N            the seed of the first run of each, the others have those that follow;
                      default 1
  --side-by-side N    how many clusters run at once, 1 to 8; default 1
  --on WHAT           what makes the clusters: embedded, kind or auto; default embedded
  --shift FLAG=VALUE  run the controller manager with this flag, and tell the oracle
                      that it has not: readings must then lie outside
  --runs DIR          keep records in DIR; default ./runs
  --again             run nothing: judge the runs of FILE again from their records in DIR,
                      with the oracle as it is now

Each run has a seed of its own, which draws the victim, and when the fault comes within the
periods in which Kubernetes looks. The table is Markdown: of each fault and measure how many
readings lay inside their window, and for each outside which term was wrong. Inconclusive
runs are told apart, and others are run for them, at most as many as were asked for.
Interrupted it keeps what there is and shows the table so far.

Try it:
  sudo squall bench oracle --runs-each 3 --stock 0 --side-by-side 3
`

// oracleBench is what "squall bench oracle" was asked for.
type oracleBench struct {
	kinds       []string
	each, stock int
	file, shift string
	sideBySide  int
	again       bool
	running     running
}

// mostSideBySide is how many clusters may run at once.
const mostSideBySide = 8

func (c *cli) benchOracle() *cobra.Command {
	b := oracleBench{}
	cmd := &cobra.Command{
		Use:               "oracle",
		Args:              arguments(0, 0, "bench oracle"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if b.shift != "" && !cmd.Flags().Changed("stock") {
				b.stock = 0
			}
			if err := b.check(); err != nil {
				return err
			}
			return c.measureOracle(cmd.Context(), b)
		},
	}
	written(cmd, "measure how often the oracle is right", benchOracleHelp)
	flags := cmd.Flags()
	flags.StringSliceVar(&b.kinds, "kinds", oracleKinds(), "faults")
	flags.IntVar(&b.each, "runs-each", 40, "conclusive runs of each fault")
	flags.IntVar(&b.stock, "stock", 5, "conclusive runs with stock timers")
	flags.StringVar(&b.file, "file", "oracle-runs.jsonl", "file of the runs so far")
	flags.Uint64Var(&b.running.seed, "seed", 1, "seed of the first run of each fault")
	flags.IntVar(&b.sideBySide, "side-by-side", 1, "clusters at once")
	flags.StringVar(&b.running.on, "on", embedded.Name, "what makes the clusters")
	flags.StringVar(&b.shift, "shift", "", "flag to shift behind the oracle's back")
	flags.StringVar(&b.running.runs, "runs", "runs", "folder to keep records in")
	flags.BoolVar(&b.again, "again", false, "judge the records again")
	return cmd
}

// oracleKinds are the faults that there are windows for.
func oracleKinds() []string {
	return []string{string(oracle.PodKill), string(oracle.NodeStop), string(oracle.NodePowerOff)}
}

func (b oracleBench) check() error {
	errs := []error{checkProvider(b.running.on), b.running.checkOutputs()}
	if len(b.kinds) == 0 {
		errs = append(errs, errors.New("--kinds: no fault; there are "+strings.Join(oracleKinds(), ", ")))
	}
	for i, kind := range b.kinds {
		if !slices.Contains(oracleKinds(), kind) || slices.Contains(b.kinds[:i], kind) {
			errs = append(errs, fmt.Errorf("--kinds %q: each once, of %s", kind, strings.Join(oracleKinds(), ", ")))
		}
	}
	if b.each < 0 || b.stock < 0 || b.each+b.stock == 0 {
		errs = append(errs, fmt.Errorf("--runs-each %d --stock %d: none below zero, and not both zero", b.each, b.stock))
	}
	if b.sideBySide < 1 || b.sideBySide > mostSideBySide {
		errs = append(errs, fmt.Errorf("--side-by-side %d: 1 to %d", b.sideBySide, mostSideBySide))
	}
	if b.running.runs == "" {
		errs = append(errs, errors.New("--runs needs a folder"))
	}
	if b.file == "" {
		errs = append(errs, errors.New("--file needs a file"))
	} else if err := fileIsWritable(b.file); err != nil {
		errs = append(errs, fmt.Errorf("--file %s cannot be written: %w", b.file, err))
	}
	if b.shift != "" {
		_, err := parseShift(b.shift)
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return misuse(err, `"squall bench oracle --help" shows the flags`)
	}
	return nil
}

// sets are what is to be run, the longest runs first: they would be the
// last to end.
func (b oracleBench) sets() []oracleSet {
	var all []oracleSet
	for _, kind := range b.kinds {
		fast := oracleSet{oracleCase{kind, string(cluster.FastTimers), b.shift}, b.each}
		stock := oracleSet{oracleCase{kind, string(cluster.StockTimers), b.shift}, b.stock}
		if all = append(all, fast); kind == string(oracle.NodePowerOff) {
			all = append(all, stock)
		}
	}
	slices.SortStableFunc(all, func(x, y oracleSet) int { return int(y.length() - x.length()) })
	return slices.DeleteFunc(all, func(s oracleSet) bool { return s.runs == 0 })
}

// measureOracle runs what FILE lacks, and shows what there is.
func (c *cli) measureOracle(ctx context.Context, b oracleBench) error {
	_, absent := os.Lstat(b.file)
	file, runs, err := openOracleFile(b.file)
	if err != nil {
		return err
	}
	defer file.Close()
	if b.again {
		err = c.judgeOracleRuns(b, file, &runs)
	} else {
		err = c.runOracle(ctx, b, file, &runs)
	}
	if errors.Is(absent, fs.ErrNotExist) {
		c.giveBack(b.file)
	}
	fmt.Fprint(c.stdout, oracleTable(runs))
	if err != nil {
		return notMade(err)
	}
	return context.Cause(ctx)
}
