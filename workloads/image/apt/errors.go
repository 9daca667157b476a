package apt

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Errors that callers may ask for.
var (
	// ErrNoApt says that this machine has no apt.
	ErrNoApt = errors.New("this machine has no apt")
	// ErrNoSource says that apt's sources do not name the suite.
	ErrNoSource = errors.New("apt's sources do not name the suite")
	// ErrUnreachable says that a mirror did not answer.
	ErrUnreachable = errors.New("a Debian mirror did not answer")
	// ErrNoPackage says that no package has that name.
	ErrNoPackage = errors.New("no such package")
	// ErrNoVersion says that the mirror does not have that version.
	ErrNoVersion = errors.New("no such version")
)

// commandError is a run of apt that failed.
type commandError struct {
	argv           []string
	stdout, stderr string
	err            error
}

// shownLines is how much of apt's output a message carries.
const shownLines = 12

// Error is the command and the end of what it printed.
func (e *commandError) Error() string {
	text := strings.TrimSpace(e.stderr)
	if !strings.Contains(text, "E: ") || strings.Contains(text, "unmet dependencies") || strings.Contains(text, "held broken") {
		text = strings.TrimSpace(e.stdout + "\n" + text) // which dependency fails is said on standard output
	}
	lines := strings.Split(text, "\n")
	lines = lines[max(0, len(lines)-shownLines):]
	return fmt.Sprintf("%s: %v; it said:\n    %s", strings.Join(e.argv[:min(2, len(e.argv))], " "), e.err, strings.Join(lines, "\n    "))
}

// Unwrap is why the command ended.
func (e *commandError) Unwrap() error { return e.err }

// explainFetch says what a failed fetch of lists or packages means.
func explainFetch(err error) error {
	var failed *commandError
	if !errors.As(err, &failed) {
		return err
	}
	for _, sign := range []string{"not signed", "NO_PUBKEY", "signatures couldn't be verified", "signatures were invalid"} {
		if strings.Contains(failed.stderr, sign) {
			return fmt.Errorf("the mirror's signature was refused: %w\nGive the source a Signed-By with the suite's keyring (package debian-archive-keyring)", err)
		}
	}
	for _, sign := range []string{"Could not connect", "Temporary failure resolving", "Could not resolve", "Unable to connect", "Connection timed out", "Connection failed", "Failed to fetch"} {
		if strings.Contains(failed.stderr, sign) {
			return fmt.Errorf("%w: %w\nWhat is not in the cache yet needs the network; apt's own sources say which mirrors, Acquire::http::Proxy or http_proxy which proxy", ErrUnreachable, err)
		}
	}
	return err
}

// explain says what a failed resolution means, and for a wrong name or version
// what there is instead.
func (s *Session) explain(ctx context.Context, err error) error {
	var failed *commandError
	if !errors.As(err, &failed) {
		return err
	}
	for line := range strings.Lines(failed.stderr) {
		line = strings.TrimSpace(line)
		if name, ok := strings.CutPrefix(line, "E: Unable to locate package "); ok {
			return fmt.Errorf("%w as %q in %s%s", ErrNoPackage, name, s.suite, s.similar(ctx, name))
		}
		if name, ok := between(line, "E: Package '", "' has no installation candidate"); ok {
			return fmt.Errorf("%w as %q in %s: it is a name that others provide; name one of those", ErrNoPackage, name, s.suite)
		}
		if rest, ok := strings.CutPrefix(line, "E: Version '"); ok {
			version, rest, _ := strings.Cut(rest, "' for '")
			name, _, _ := strings.Cut(rest, "'")
			return s.noVersion(ctx, name, version)
		}
	}
	if strings.Contains(failed.stdout, "unmet dependencies") {
		return fmt.Errorf("the packages do not fit together; a pinned version may want versions of its companions pinned too: %w", err)
	}
	return explainFetch(err)
}

// noVersion names the versions that there are.
func (s *Session) noVersion(ctx context.Context, name, version string) error {
	has, err := s.Versions(ctx, name)
	if err != nil {
		return errors.Join(fmt.Errorf("%w: %s=%s", ErrNoVersion, name, version), err)
	}
	return fmt.Errorf("%w: %s has no %s=%s (any more); it has %s: pin one of these",
		ErrNoVersion, s.suite, name, version, strings.Join(has, ", "))
}

// Versions are the versions of a package that the mirrors have, newest first.
func (s *Session) Versions(ctx context.Context, name string) ([]string, error) {
	text, err := s.run(ctx, "", "apt-cache", "madison", name)
	if err != nil {
		return nil, err
	}
	var versions []string
	for line := range strings.Lines(text) {
		if fields := strings.Split(line, "|"); len(fields) == 3 {
			versions = append(versions, strings.TrimSpace(fields[1]))
		}
	}
	return slices.Compact(versions), nil
}

// maxDistance is how many letters a name may differ in to be suggested.
const maxDistance = 2

// similar is "; did you mean …", or nothing.
func (s *Session) similar(ctx context.Context, name string) string {
	text, err := s.run(ctx, "", "apt-cache", "pkgnames")
	if err != nil {
		return ""
	}
	var best []string
	limit := maxDistance
	for other := range strings.Lines(text) {
		other = strings.TrimSpace(other)
		if d := len(other) - len(name); d > limit || -d > limit {
			continue
		}
		switch d := distance(name, other); {
		case d < limit:
			best, limit = []string{other}, d
		case d == limit:
			best = append(best, other)
		}
	}
	if len(best) == 0 {
		return ""
	}
	slices.Sort(best)
	return fmt.Sprintf("; did you mean %s?", strings.Join(best[:min(4, len(best))], ", "))
}

// distance counts the insertions, removals, replacements and swaps of
// neighbours that turn a into b.
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}

func between(s, prefix, suffix string) (string, bool) {
	s, ok := strings.CutPrefix(s, prefix)
	if !ok {
		return "", false
	}
	return strings.CutSuffix(s, suffix)
}
