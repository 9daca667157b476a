package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

const completionHelp = `Print a script that completes verbs, flags and scenarios in your shell.

Usage:
  squall completion bash|zsh|fish

Try it, in bash:
  source <(squall completion bash)
`

func (c *cli) completion() *cobra.Command {
	shells := []string{"bash", "zsh", "fish"}
	cmd := &cobra.Command{
		Use:               "completion bash|zsh|fish",
		Args:              arguments(1, 1, "completion bash|zsh|fish"),
		ValidArgsFunction: cobra.FixedCompletions(shells, cobra.ShellCompDirectiveNoFileComp),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch slices.Index(shells, args[0]) {
			case 0:
				return cmd.Root().GenBashCompletionV2(c.stdout, true)
			case 1:
				return cmd.Root().GenZshCompletion(c.stdout)
			case 2:
				return cmd.Root().GenFishCompletion(c.stdout, true)
			}
			return misuse(fmt.Errorf("there is no completion for the shell %q", args[0]), "choose one of "+strings.Join(shells, ", "))
		},
	}
	written(cmd, "print a completion script", completionHelp)
	return cmd
}
