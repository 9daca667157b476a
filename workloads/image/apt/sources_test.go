package apt

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

const deb822 = `# comment
Types: deb deb-src
URIs: http://deb.debian.org/debian
Suites: bookworm bookworm-updates bookworm-backports
Components: main contrib
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 abc
Trusted: yes

Types: deb
URIs: http://security.debian.org
Suites: bookworm-security
Components: main
Allow-Insecure: yes

Enabled: no
Types: deb
URIs: http://off
Suites: bookworm
Components: main

Types: deb-src
URIs: http://source
Suites: bookworm
Components: main
`

func TestReadDeb822(t *testing.T) {
	picked := pick(readDeb822(deb822), "bookworm", "?")
	if assert.Len(t, picked, 2) {
		assert.Equal(t, "Types: deb\nURIs: http://deb.debian.org/debian\nSuites: bookworm bookworm-updates\nComponents: main contrib\n"+
			"Signed-By: \n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc\n", picked[0].deb822(), "trust is no option, backports are not the suite")
		assert.Equal(t, "Types: deb\nURIs: http://security.debian.org\nSuites: bookworm-security\nComponents: main\n", picked[1].deb822())
	}
}

func TestReadOneLine(t *testing.T) {
	entries := readOneLine(`deb [arch=amd64 signed-by=/k.gpg,/l.gpg trusted=yes] http://a/debian trixie main contrib # comment
deb-src http://a/debian trixie main
deb	http://b/debian trixie-security main
# deb http://c/debian trixie main
deb cdrom:[Debian 13]/ trixie main
deb http://d/flat ./
debris
`)
	assert.Equal(t, []entry{
		{uris: []string{"http://a/debian"}, suites: []string{"trixie"}, components: []string{"main", "contrib"}, options: []string{"Signed-By: /k.gpg /l.gpg"}},
		{uris: []string{"http://b/debian"}, suites: []string{"trixie-security"}, components: []string{"main"}},
	}, entries)
	// A newer Debian's mirrors are asked for an older suite; others' are not.
	picked := pick(entries, "bookworm", "trixie")
	if assert.Len(t, picked, 2) {
		assert.Equal(t, []string{"bookworm"}, picked[0].suites)
		assert.Equal(t, []string{"bookworm-security"}, picked[1].suites)
	}
	assert.Empty(t, pick(entries, "bookworm", "?"))
}

const described = `Package: web
Version: 1
Pre-Depends: dpkg (>= 1.17)
Depends: libc6 (>= 2.34), init | systemd, httpd-cgi, perl:any, missing | shell

Package: libc6
Version: 2
Depends: libgcc-s1

Package: libgcc-s1
Version: 3
Depends: libc6

Package: dpkg
Version: 4
Depends: tar

Package: tar
Version: 5

Package: systemd
Version: 6

Package: cgi
Version: 7
Provides: httpd-cgi (= 1), other

Package: perl
Version: 8

Package: dash
Version: 9
Provides: shell
`

func TestReach(t *testing.T) {
	known := map[string]stanza{}
	for _, st := range stanzas(described) {
		known[st["package"]] = st
	}
	assert.Len(t, known, 9)
	assert.Equal(t, []string{"cgi", "dash", "libc6", "libgcc-s1", "perl", "systemd", "web"}, reach(known, Wanted{Packages: []string{"web=1"}}),
		"dpkg is for scripts, tar for dpkg")
	assert.Equal(t, []string{"cgi", "dpkg", "libc6", "libgcc-s1", "perl", "systemd", "tar", "web"},
		reach(known, Wanted{Packages: []string{"web", "dpkg"}, Without: []string{"dash"}}), "named ones come along")
	assert.Equal(t, []string{"cgi", "dash", "libc6", "libgcc-s1", "perl", "web"}, reach(known, Wanted{Packages: []string{"web"}, Without: []string{"init"}}),
		"leaving out one alternative leaves the group out")
}

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"nginx", "nginx", 0}, {"ngnix", "nginx", 1}, {"nginx", "nginxx", 1}, {"redis", "radio", 2}, {"", "abc", 3}} {
		assert.Equal(t, c.want, distance(c.a, c.b), "%s %s", c.a, c.b)
		assert.Equal(t, c.want, distance(c.b, c.a), "%s %s", c.b, c.a)
	}
}
