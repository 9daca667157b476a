package apt

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Sources says where the packages of one suite come from.
type Sources struct {
	suite, arch string
	// text is a file of sources in the deb822 form, of that suite alone.
	text string
	// acquire is the part of the machine's configuration that says how to fetch.
	acquire string
}

// Key stands for the sources and the architecture, in letters and digits.
func (s Sources) Key() string {
	sum := sha256.Sum256([]byte(s.arch + "\n" + s.text))
	return hex.EncodeToString(sum[:8])
}

// HostSources picks from the sources of this machine's apt those of a suite
// with its updates and security updates. Where they name another suite of
// Debian throughout, as on a newer Debian, its mirrors are asked for this one.
func HostSources(ctx context.Context, suite string) (Sources, error) {
	arch, err := Architecture()
	if err != nil {
		return Sources{}, err
	}
	entries, err := hostEntries(ctx)
	if err != nil {
		return Sources{}, err
	}
	picked := pick(entries, suite, debianCodeName())
	if len(picked) == 0 {
		var named []string
		for _, e := range entries {
			named = append(named, e.suites...)
		}
		slices.Sort(named)
		return Sources{}, fmt.Errorf("%w %q: they name %q; add Debian's to /etc/apt/sources.list.d, or choose another suite",
			ErrNoSource, suite, slices.Compact(named))
	}
	acquire, err := hostAcquire(ctx)
	if err != nil {
		return Sources{}, err
	}
	s := Sources{suite: suite, arch: arch, acquire: acquire}
	for _, e := range picked {
		s.text += e.deb822() + "\n"
	}
	return s, nil
}

// entry is one source of binary packages.
type entry struct {
	uris, suites, components []string
	// options are whole fields, for example "Signed-By: /usr/share/…".
	options []string
}

func (e entry) deb822() string {
	lines := append([]string{
		"Types: deb",
		"URIs: " + strings.Join(e.uris, " "),
		"Suites: " + strings.Join(e.suites, " "),
		"Components: " + strings.Join(e.components, " "),
	}, e.options...)
	return strings.Join(lines, "\n") + "\n"
}

// hostEntries reads all sources of this machine's apt.
func hostEntries(ctx context.Context) ([]entry, error) {
	text, err := output(ctx, "", "", "apt-config", "shell", "LIST", "Dir::Etc::sourcelist/f", "PARTS", "Dir::Etc::sourceparts/d")
	if err != nil {
		return nil, err
	}
	var files []string
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		value = strings.Trim(value, "'")
		switch name {
		case "LIST":
			files = append(files, value)
		case "PARTS":
			more, err := filepath.Glob(filepath.Join(value, "*"))
			if err != nil {
				return nil, fmt.Errorf("list apt's sources in %s: %w", value, err)
			}
			files = append(files, more...)
		}
	}
	var entries []entry
	for _, file := range files {
		read := readOneLine
		switch filepath.Ext(file) {
		case ".sources":
			read = readDeb822
		case ".list":
		default:
			continue // as apt does
		}
		data, err := os.ReadFile(file)
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read apt's sources: %w", err)
		}
		entries = append(entries, read(string(data))...)
	}
	return entries, nil
}

// readOneLine reads a file of lines "deb [options] URI suite components".
func readOneLine(text string) []entry {
	var entries []entry
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		line, ok := strings.CutPrefix(strings.TrimSpace(line), "deb")
		if !ok || line == "" || !strings.ContainsAny(line[:1], " \t[") {
			continue
		}
		var e entry
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") {
			var options string
			options, line, _ = strings.Cut(line[1:], "]")
			e.options = oneLineOptions(options)
		}
		fields := strings.Fields(line)
		if len(fields) < 3 || strings.HasPrefix(fields[0], "cdrom:") {
			continue
		}
		e.uris, e.suites, e.components = fields[:1], fields[1:2], fields[2:]
		entries = append(entries, e)
	}
	return entries
}

// kept are the options of a source that matter here, as deb822 spells them.
// "Trusted", which would switch the check of signatures off, is not among them.
func kept() []string { return []string{"Signed-By", "Check-Valid-Until", "Check-Date"} }

func oneLineOptions(text string) []string {
	var options []string
	for _, option := range strings.Fields(text) {
		name, value, _ := strings.Cut(option, "=")
		for _, k := range kept() {
			if strings.EqualFold(k, name) {
				options = append(options, k+": "+strings.ReplaceAll(value, ",", " "))
			}
		}
	}
	return options
}

// readDeb822 reads a file of stanzas.
func readDeb822(text string) []entry {
	var entries []entry
	for _, st := range stanzas(text) {
		e := entry{
			uris: strings.Fields(st["uris"]), suites: strings.Fields(st["suites"]), components: strings.Fields(st["components"]),
		}
		off := strings.ToLower(st["enabled"])
		if off == "no" || off == "false" || !slices.Contains(strings.Fields(st["types"]), "deb") {
			continue
		}
		if len(e.uris) == 0 || len(e.suites) == 0 || len(e.components) == 0 || strings.HasPrefix(e.uris[0], "cdrom:") {
			continue
		}
		for _, k := range kept() {
			if value := st[strings.ToLower(k)]; value != "" {
				e.options = append(e.options, k+": "+value)
			}
		}
		entries = append(entries, e)
	}
	return entries
}

// suffixes of the suites that hold a release's updates.
func updateSuffixes() []string { return []string{"-updates", "-security", "/updates"} }

// root is a suite's release: "bookworm" for "bookworm-security".
func root(suite string) string {
	for _, suffix := range updateSuffixes() {
		if r, ok := strings.CutSuffix(suite, suffix); ok {
			return r
		}
	}
	return suite
}

// pick keeps what belongs to the suite. Where nothing does, it keeps what
// belongs to the machine's own release, and asks for the suite there.
func pick(entries []entry, suite, own string) []entry {
	for _, from := range []string{suite, own} {
		var picked []entry
		for _, e := range entries {
			var suites []string
			for _, s := range e.suites {
				if root(s) == from {
					suites = append(suites, suite+strings.TrimPrefix(s, from))
				}
			}
			if len(suites) > 0 {
				e.suites = suites
				picked = append(picked, e)
			}
		}
		if len(picked) > 0 {
			return picked
		}
	}
	return nil
}

// debianCodeName is the code name of this machine's release of Debian; a name
// that no suite has on another distribution.
func debianCodeName() string {
	data, err := os.ReadFile("/etc/os-release")
	if err != nil {
		return "?"
	}
	values := map[string]string{}
	for line := range strings.Lines(string(data)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		values[name] = strings.Trim(value, `"'`)
	}
	if values["ID"] != "debian" || values["VERSION_CODENAME"] == "" {
		return "?"
	}
	return values["VERSION_CODENAME"]
}

// hostAcquire is how this machine's apt fetches: its proxies, time limits and
// the like. What to fetch besides packages is left out.
func hostAcquire(ctx context.Context) (string, error) {
	text, err := output(ctx, "", "", "apt-config", "dump", "Acquire")
	if err != nil {
		return "", err
	}
	var lines []string
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "Acquire::IndexTargets") && !strings.HasPrefix(line, "Acquire::Languages") && !strings.HasPrefix(line, "Acquire::Changelogs") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, ""), nil
}
