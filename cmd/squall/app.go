package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"
)

// The exit codes, for all verbs. README.md has the table.
const (
	exitDone         = 0 // done; every verdict is pass, every twin as designed
	exitFail         = 1 // a verdict is fail, or a twin not as designed
	exitMisuse       = 2 // the command line or a file given is wrong
	exitInconclusive = 3 // no answer: the host is unfit, a run unsound, a user interrupted
	exitError        = 4 // Squall's own fault
)

// cli is what the verbs share.
type cli struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	log            *slog.Logger // diagnostics; silent without --verbose
	verbose        bool
	cacheFlag      string
}

// app runs the command line args and returns its exit code. When ctx ends, it
// undoes what it did and leaves.
func app(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	c := &cli{stdin: stdin, stdout: stdout, stderr: stderr, log: slog.New(slog.DiscardHandler)}
	root := c.root()
	root.SetArgs(append([]string{}, args...)) // never nil, which would mean os.Args
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		err = noHelp(cmd)
	}
	code := c.report(ctx, err)
	c.log.Debug("done", "code", code)
	return code
}

const rootHelp = `Squall tells whether a system on Kubernetes keeps its promises while things break:
it makes a cluster, deploys the system, sends load, injects faults and judges what happened.

Usage:
  squall VERB [ARGUMENTS] [FLAGS]

Run and judge:
  run         run scenarios and their twins, and judge them
  validate    check scenario files; starts nothing
  plan        show what a run would do, and when
  explain     say what an expectation can ask for
  judge       judge a recorded run again
  report      show the verdict of a recorded run as text, JSON or JUnit

Clusters:
  cluster     up, down, list, kubeconfig, node: clusters to try things on
  kubectl     run kubectl against such a cluster
  conformance run Kubernetes' own conformance tests against a cluster
  bench       measure clusters and load on this host

This host:
  doctor      say what this host has and lacks
  build       compile the programs that clusters are made of, ahead of time
  docker      make sure that a Docker engine answers, for kind clusters
  clean       remove what killed runs left, and the cache if asked
  version     print versions
  completion  print a completion script for a shell

Flags of every verb:
  -h, --help         show the help of a verb
      --verbose      write diagnostics to standard error
      --cache DIR    keep what is built in DIR; default $SQUALL_CACHE, else squall in
                     your cache folder ($XDG_CACHE_HOME or ~/.cache)

Try it:
  sudo squall run pod-kill
`

// root is the command tree.
func (c *cli) root() *cobra.Command {
	root := &cobra.Command{
		Use:               "squall",
		Args:              unknownVerb,
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		PersistentPreRun:  func(*cobra.Command, []string) { c.startLog() },
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	written(root, "break a system on Kubernetes and judge it", rootHelp)
	flags := root.PersistentFlags()
	flags.BoolVar(&c.verbose, "verbose", false, "write diagnostics to standard error")
	flags.StringVar(&c.cacheFlag, "cache", "", "folder to keep what is built in")
	root.SetFlagErrorFunc(flagError)
	root.AddCommand(
		c.run(), c.validate(), c.plan(), c.explainVerb(), c.judge(), c.reportVerb(),
		c.cluster(), c.kubectl(), c.conformance(), c.bench(),
		c.doctor(), c.build(), c.docker(), c.clean(), c.version(), c.completion(), c.traffic(), c.flags(),
	)
	root.SetHelpCommand(helpVerb(root))
	return root
}

// startLog turns diagnostics on when they are asked for.
func (c *cli) startLog() {
	if c.verbose {
		c.log = slog.New(slog.NewTextHandler(c.stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
}

// written gives a command its help text as it is written, and nothing generated.
func written(cmd *cobra.Command, short, help string) {
	cmd.Short = short
	cmd.SetHelpFunc(func(cmd *cobra.Command, _ []string) {
		if noHelp(cmd) == nil {
			io.WriteString(cmd.OutOrStdout(), help)
		}
	})
	cmd.SetUsageFunc(func(cmd *cobra.Command) error {
		_, err := io.WriteString(cmd.OutOrStderr(), help)
		return err
	})
}

// helpVerb is "squall help VERB".
func helpVerb(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:   "help [VERB]",
		Short: "show the help of a verb",
		RunE: func(_ *cobra.Command, args []string) error {
			cmd, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				return misuse(fmt.Errorf("there is no verb %q", strings.Join(args, " ")), `"squall help" lists the verbs`)
			}
			return cmd.Help()
		},
	}
}

// unknownVerb refuses arguments where a verb is expected.
func unknownVerb(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := fmt.Sprintf("%q lists the verbs", cmd.CommandPath()+" --help")
	cmd.SuggestionsMinimumDistance = 2 // cobra suggests nothing unless told how near is near
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		hint = "did you mean " + strings.Join(near, " or ") + "?"
	}
	return misuse(fmt.Errorf("there is no verb %q in %q", args[0], cmd.CommandPath()), hint)
}

// noHelp is why a command has no help to show: what was asked for is the help of
// a verb that it has not. Cobra shows a group's help for that, and calls it done.
func noHelp(cmd *cobra.Command) error {
	if !cmd.HasSubCommands() {
		return nil
	}
	return unknownVerb(cmd, cmd.Flags().Args())
}

// needVerb is for a group of verbs called without one of them.
func needVerb(cmd *cobra.Command, _ []string) error {
	var verbs []string
	for _, sub := range cmd.Commands() {
		verbs = append(verbs, sub.Name())
	}
	return misuse(fmt.Errorf("%q needs a verb: %s", cmd.CommandPath(), strings.Join(verbs, ", ")),
		fmt.Sprintf("%q explains them", cmd.CommandPath()+" --help"))
}

// flagError is for flags that do not exist or do not parse.
func flagError(cmd *cobra.Command, err error) error {
	if err == pflag.ErrHelp {
		return err
	}
	return misuse(err, fmt.Sprintf("%q shows the flags", cmd.CommandPath()+" --help"))
}

// arguments accepts from least to most arguments; most < 0 means any number.
// Grammar is what the user should have written.
func arguments(least, most int, grammar string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) >= least && (most < 0 || len(args) <= most) {
			return nil
		}
		problem := fmt.Errorf("too few arguments for %q: %d", cmd.CommandPath(), len(args))
		if len(args) > least {
			problem = fmt.Errorf("too many arguments for %q: %q is not expected", cmd.CommandPath(), args[most])
		}
		return misuse(problem, "write it as: squall "+grammar)
	}
}

// isTerminal tells whether w is a terminal.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
