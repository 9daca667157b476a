// Package conformance builds the end-to-end tests of Kubernetes itself, and the
// images that they name, and runs a chosen part of the conformance tests against
// any cluster.
//
// The tests are upstream's, unchanged: test/e2e of the Kubernetes release that
// clusters run, compiled from its module. The images stand for upstream's under
// their names, since no registry need be in reach: [Images].
//
// It knows no provider: a kubeconfig is all that a run needs, once the images are
// on the nodes. It is no part of CI, for it takes half an hour; docs/conformance.md
// keeps the results of a run. It is not a submission to the certification of
// Kubernetes distributions, which wants all tests and the original images.
package conformance
