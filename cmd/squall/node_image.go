package main

import (
	"fmt"

	"squall/cluster/kind"
	"squall/cluster/kind/nodeimage"

	"github.com/spf13/cobra"
)

// publishedImage is what --node-image takes for [nodeimage.PublishedRef].
const publishedImage = "published"

// addNodeImageFlag adds --node-image.
func addNodeImageFlag(cmd *cobra.Command, to *string) {
	cmd.Flags().StringVar(to, "node-image", "", "a published image of kind's nodes")
	_ = cmd.RegisterFlagCompletionFunc("node-image", cobra.FixedCompletions([]string{publishedImage}, cobra.ShellCompDirectiveNoFileComp))
}

// nodeImageRef is the image that --node-image means; empty when it was not given.
func nodeImageRef(asked string) string {
	if asked == publishedImage {
		return nodeimage.PublishedRef
	}
	return asked
}

// checkNodeImage refuses a --node-image that no cluster can be made from.
func checkNodeImage(asked, on string) error {
	if asked == "" {
		return nil
	}
	if chosen(on) != kind.Name {
		return fmt.Errorf("--node-image %s: only kind clusters have that: add --on kind", asked)
	}
	if err := nodeimage.CheckRef(nodeImageRef(asked)); err != nil {
		return fmt.Errorf("--node-image: %w; %s stands for that", err, publishedImage)
	}
	return nil
}
