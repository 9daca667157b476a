package main

import (
	"fmt"
	"time"

	"squall/cluster/kind/engine"
	"squall/cluster/kind/nodeimage"
	"squall/workloads/image"
	"squall/workloads/shop"

	"github.com/spf13/cobra"
)

const buildNodeImageHelp = `Make the image of kind clusters' nodes, ahead of time, in the Docker engine.

Usage:
  squall build node-image [FLAGS]

Flags:
  --from IMAGE   make it over an image that kind's project published: "published" for the
                 one that is nearest to Squall's own, or any that is pinned by its digest

It is made of Debian packages, kind's own base files, and the compiled components, so
that it needs no image registry; the sample shop is in it. What is there is not made
again. Runs make it themselves.

Try it:
  squall build node-image && squall doctor
`

func (c *cli) buildNodeImage() *cobra.Command {
	var from string
	cmd := &cobra.Command{
		Use:               "node-image",
		Args:              arguments(0, 0, "build node-image"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ref := nodeImageRef(from)
			if ref != "" {
				if err := nodeimage.CheckRef(ref); err != nil {
					return misuse(fmt.Errorf("--from: %w", err))
				}
			}
			cache, err := c.cache()
			if err != nil {
				return err
			}
			if _, err := engine.Look(cmd.Context()); err != nil {
				return unfit(err)
			}
			began := time.Now()
			_, images := builders(cache, c.say)
			sample, err := images.FromProgram(cmd.Context(), shop.Program())
			if err != nil {
				return noGo(err)
			}
			made, err := nodeimage.Builder{Cache: cache, From: ref, Progress: c.say}.Build(cmd.Context(), []image.Image{sample})
			if err != nil {
				return noGo(err)
			}
			fmt.Fprintf(c.stdout, "the node image %s has Kubernetes %s (%.1f s)\n", made.Ref, made.KubernetesVersion, time.Since(began).Seconds())
			return nil
		},
	}
	written(cmd, "make the image of kind clusters' nodes", buildNodeImageHelp)
	cmd.Flags().StringVar(&from, "from", "", "a published image of kind's nodes")
	_ = cmd.RegisterFlagCompletionFunc("from", cobra.FixedCompletions([]string{publishedImage}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}
