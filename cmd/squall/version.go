package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"text/tabwriter"

	"squall/cluster/components"

	"github.com/spf13/cobra"
)

// version is set by the linker: -X main.version=v1.2.3.
var version string

const versionHelp = `Print the version of Squall, and of all that clusters are made of.

Usage:
  squall version
`

func (c *cli) version() *cobra.Command {
	cmd := &cobra.Command{
		Use:               "version",
		Args:              arguments(0, 0, "version"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(*cobra.Command, []string) error {
			out := tabwriter.NewWriter(c.stdout, 0, 8, 2, ' ', 0)
			fmt.Fprintf(out, "squall\t%s\n", squallVersion())
			fmt.Fprintf(out, "Go\t%s, %s/%s\n", runtime.Version(), runtime.GOOS, runtime.GOARCH)
			listComponents(func(name, version string) { fmt.Fprintf(out, "%s\t%s\n", name, version) })
			return out.Flush()
		},
	}
	written(cmd, "print versions", versionHelp)
	return cmd
}

// listComponents calls show for each component that has a version.
func listComponents(show func(name, version string)) {
	for _, component := range components.List() {
		if component.Version != "" {
			show(component.Name, component.Version)
		}
	}
}

// squallVersion is the linker's word, else that of the go command that built
// this, else "unknown".
func squallVersion() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "unknown"
}
