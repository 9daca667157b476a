package apt

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// Session is apt with a private configuration and state.
type Session struct {
	suite  string
	config string // the configuration file's path
}

// Update fetches the suite's lists of packages into the folder lists.
func (s Sources) Update(ctx context.Context, lists, scratch string) error {
	// Apt wants this folder for lists that are not complete yet.
	if err := os.MkdirAll(filepath.Join(lists, "partial"), 0o755); err != nil {
		return err
	}
	session, err := s.Open(lists, scratch)
	if err != nil {
		return err
	}
	if _, err := session.run(ctx, "", "apt-get", "update"); err != nil {
		return fmt.Errorf("fetch the list of packages of %s: %w", s.suite, explainFetch(err))
	}
	return os.RemoveAll(filepath.Join(lists, "partial"))
}

// Open prepares apt to work on lists that Update fetched. The folder scratch
// keeps its state; whoever gives it removes it.
func (s Sources) Open(lists, scratch string) (*Session, error) {
	dir := filepath.Join(scratch, "apt")
	if strings.ContainsAny(dir+lists, "\"\n;") {
		return nil, fmt.Errorf("apt cannot work in %q: its path holds a quote, semicolon or line break; choose another cache folder", dir)
	}
	for _, sub := range []string{"empty", "cache/archives/partial"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return nil, err
		}
	}
	config := s.acquire
	for _, c := range [][2]string{
		{"APT::Architecture", s.arch},
		{"Dir::Etc::parts", dir + "/empty"},
		{"Dir::Etc::main", "/dev/null"},
		{"Dir::Etc::sourcelist", dir + "/squall.sources"},
		{"Dir::Etc::sourceparts", dir + "/empty"},
		{"Dir::Etc::preferences", "/dev/null"},
		{"Dir::Etc::preferencesparts", dir + "/empty"},
		{"Dir::State", dir},
		{"Dir::State::status", dir + "/status"},
		{"Dir::State::lists", lists},
		{"Dir::Cache", dir + "/cache"},
		{"Dir::Log", dir},
		{"Acquire::Languages", "none"},
		{"Acquire::AllowInsecureRepositories", "false"},
		{"Acquire::AllowWeakRepositories", "false"},
		{"Acquire::AllowDowngradeToInsecureRepositories", "false"},
		{"Acquire::Retries", "2"},
		{"APT::Get::AllowUnauthenticated", "false"},
		{"APT::Install-Recommends", "false"},
		{"APT::Install-Suggests", "false"},
		{"APT::Update::Error-Mode", "any"},
		// Apt's own user cannot enter a cache folder in somebody's home.
		{"APT::Sandbox::User", "root"},
	} {
		config += fmt.Sprintf("%s \"%s\";\n", c[0], c[1])
	}
	config += "#clear APT::Architectures;\nAPT::Architectures { \"" + s.arch + "\"; };\n"
	for name, text := range map[string]string{"apt.conf": config, "squall.sources": s.text, "status": ""} {
		// A proxy's address may carry a password.
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return nil, err
		}
	}
	return &Session{suite: s.suite, config: filepath.Join(dir, "apt.conf")}, nil
}

func (s *Session) run(ctx context.Context, dir string, argv ...string) (string, error) {
	return output(ctx, s.config, dir, argv...)
}

// Fetch downloads packages into the folder dir, each as FileName says, and
// checks their digests.
func (s *Session) Fetch(ctx context.Context, packages []Package, dir string) error {
	argv := []string{"apt-get", "download"}
	for _, p := range packages {
		argv = append(argv, p.String())
	}
	work, err := os.MkdirTemp(filepath.Dir(s.config), "fetch-")
	if err != nil {
		return err
	}
	if _, err := s.run(ctx, work, argv...); err != nil {
		return fmt.Errorf("fetch %d packages: %w", len(packages), s.explain(ctx, err))
	}
	for _, p := range packages {
		found, err := filepath.Glob(filepath.Join(work, p.Name+"_*.deb"))
		if err != nil || len(found) != 1 {
			return fmt.Errorf("apt-get download %s left %d files %q instead of one", p, len(found), found)
		}
		if err := p.Check(found[0]); err != nil {
			return err
		}
		if err := os.Rename(found[0], filepath.Join(dir, p.FileName())); err != nil {
			return err
		}
	}
	return nil
}

// FileName is how a fetched package is called.
func (p Package) FileName() string { return p.SHA256 + ".deb" }

// Check compares a file with the package's digest.
func (p Package) Check(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, file); err != nil {
		return err
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != p.SHA256 {
		return fmt.Errorf("the file of package %s has the digest sha256:%s; the lock says sha256:%s", p, got, p.SHA256)
	}
	return nil
}
