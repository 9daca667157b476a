package image_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"squall/workloads/image"
	"squall/workloads/image/apt"
)

func TestNginxServes(t *testing.T) {
	d := image.Debian{
		Ref:      "squall.local/nginx:test",
		Packages: []string{"nginx"},
		Files: []image.File{
			{Path: "/etc/nginx/nginx.conf", Content: []byte("daemon off; error_log stderr; pid /run/nginx.pid; worker_processes 1;\n" +
				"events {}\nhttp { access_log off; server { include /etc/nginx/listen.conf; root /srv; } }\n")},
			{Path: "/srv/index.html", Content: []byte("hello from an image\n")},
		},
		Entrypoint: []string{"/usr/sbin/nginx"},
		StopSignal: "SIGQUIT",
	}
	img, err := debianBuilder(t).FromDebian(t.Context(), d)
	require.NoError(t, err)
	r := unpack(t, img)
	assert.Contains(t, r.run(t, 0, "/usr/sbin/nginx", "-v"), "nginx version: nginx/1.")
	port := freePort(t)
	require.NoError(t, os.WriteFile(filepath.Join(r.dir, "etc/nginx/listen.conf"), []byte("listen 127.0.0.1:"+port+";\n"), 0o644))
	r.start(t, 0, "/usr/sbin/nginx")
	assert.EventuallyWithT(t, func(c *assert.CollectT) {
		answer, err := http.Get("http://127.0.0.1:" + port + "/")
		if !assert.NoError(c, err) {
			return
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		assert.NoError(c, err)
		assert.Equal(c, "hello from an image\n", string(body))
	}, 10*time.Second, 50*time.Millisecond)
}

func TestRedisAnswers(t *testing.T) {
	port := freePort(t)
	img, err := debianBuilder(t).FromDebian(t.Context(), image.Debian{
		Ref:        "squall.local/redis:test",
		Packages:   []string{"redis-server"},
		Users:      []image.Account{{Name: "redis", ID: 999}},
		User:       "redis",
		Files:      []image.File{{Path: "/data", Mode: 0o750 | os.ModeDir, Owner: "redis"}},
		WorkDir:    "/data",
		Entrypoint: []string{"/usr/bin/redis-server"},
	})
	require.NoError(t, err)
	r := unpack(t, img)
	r.start(t, 999, "/usr/bin/redis-server", "--port", port, "--bind", "127.0.0.1", "--dir", "/data")
	assert.EventuallyWithT(t, func(c *assert.CollectT) {
		conn, err := net.Dial("tcp", "127.0.0.1:"+port)
		if !assert.NoError(c, err) {
			return
		}
		defer conn.Close()
		assert.NoError(c, conn.SetDeadline(time.Now().Add(time.Second)))
		_, err = io.WriteString(conn, "PING\r\n")
		assert.NoError(c, err)
		answer, err := bufio.NewReader(conn).ReadString('\n')
		assert.NoError(c, err)
		assert.Equal(c, "+PONG\r\n", answer)
	}, 10*time.Second, 50*time.Millisecond)
	info, err := os.Stat(filepath.Join(r.dir, "data"))
	require.NoError(t, err)
	assert.Equal(t, os.ModeDir|0o750, info.Mode())
}

// postgres needs a shell: initdb starts its server through one.
func postgres() image.Debian {
	return image.Debian{
		Ref:      "squall.local/postgres:test",
		Packages: []string{"postgresql-15", "dash"},
		Without:  []string{"postgresql-common", "postgresql-client-common", "ssl-cert", "locales", "libllvm14"},
		Users:    []image.Account{{Name: "postgres", ID: 999, Home: "/var/lib/postgresql"}},
		User:     "postgres",
		Files: []image.File{
			{Path: "/var/lib/postgresql", Mode: 0o700 | os.ModeDir, Owner: "postgres"},
			{Path: "/var/run/postgresql", Mode: 0o1777 | os.ModeDir, Owner: "postgres"},
		},
		Entrypoint: []string{"/usr/lib/postgresql/15/bin/postgres", "-D", "/var/lib/postgresql/data"},
	}
}

func TestPostgresMakesADatabase(t *testing.T) {
	img, err := debianBuilder(t).FromDebian(t.Context(), postgres())
	require.NoError(t, err)
	r := unpack(t, img)
	const bin = "/usr/lib/postgresql/15/bin/"
	assert.Contains(t, r.run(t, 999, bin+"postgres", "--version"), "PostgreSQL) 15.")
	r.run(t, 999, bin+"initdb", "-D", "/var/lib/postgresql/data", "--no-sync")
	port := freePort(t)
	r.start(t, 999, bin+"postgres", "-D", "/var/lib/postgresql/data", "-p", port, "-c", "jit=off")
	assert.EventuallyWithT(t, func(c *assert.CollectT) {
		out, err := r.command(t.Context(), 999, bin+"psql", "-h", "127.0.0.1", "-p", port, "-U", "postgres", "-Atc", "select 6*7").CombinedOutput()
		assert.NoError(c, err, "%s", out)
		assert.Equal(c, "42\n", string(out))
	}, 20*time.Second, 100*time.Millisecond)
}

func TestHaproxyWithProgramsOfOurs(t *testing.T) {
	d := image.Debian{
		Ref:      "squall.local/haproxy:test",
		Packages: []string{"haproxy", "busybox", "perl-base", "coreutils"},
		Files:    []image.File{{Path: "/bin/own", Source: "testdata/own", Mode: 0o755}},
		Links:    map[string]string{"/bin/sh": "busybox"},
		User:     "www-data",
	}
	img, err := debianBuilder(t).FromDebian(t.Context(), d)
	require.NoError(t, err)
	r := unpack(t, img)
	assert.Contains(t, r.run(t, 0, "/usr/sbin/haproxy", "-v"), "HAProxy version 2.")
	assert.Equal(t, "www-data in /\n", r.run(t, 33, "/bin/own"))
	assert.Equal(t, "42\n", r.run(t, 33, "/usr/bin/perl", "-e", `print 6*7, "\n"`))
	assert.Contains(t, r.run(t, 33, "/bin/sh", "-c", "ls -ld /bin /tmp"), "/bin -> usr/bin")
}

// TestDebianLock makes the same image again from its lock, in a cache of its
// own, and the same once more with no network at all.
func TestDebianLock(t *testing.T) {
	d := image.Debian{Ref: "squall.local/busybox:test", Packages: []string{"busybox"}, Entrypoint: []string{"/bin/busybox"}}
	one, err := debianBuilder(t).FromDebian(t.Context(), d)
	require.NoError(t, err)
	lock, err := one.ReadLock()
	require.NoError(t, err)
	var names []string
	for _, p := range lock.Packages {
		names = append(names, p.Name)
		assert.NotEmpty(t, p.Version)
		assert.Len(t, p.SHA256, 64)
	}
	assert.Equal(t, []string{"busybox", "gcc-12-base", "libc6", "libgcc-s1"}, names)

	b, said := builder(t)
	d.Packages, d.Lock = nil, &lock
	two, err := b.FromDebian(t.Context(), d)
	require.NoError(t, err)
	assert.Equal(t, one.Digest, two.Digest)
	assert.Equal(t, read(t, one.Archive), read(t, two.Archive), "the archives differ")
	config, _ := readBack(t, two)
	file, err := config.ConfigFile()
	require.NoError(t, err)
	assert.Contains(t, file.Config.Labels[image.PackagesLabel], lock.Packages[0].String()+" sha256:"+lock.Packages[0].SHA256)
	assert.Equal(t, "0:0", file.Config.User)

	digests, path := []string{two.Digest}, os.Getenv("PATH")
	t.Setenv("PATH", "/nowhere") // neither apt nor dpkg-deb is needed
	again, err := b.FromDebian(t.Context(), d)
	require.NoError(t, err)
	assert.Equal(t, two, again)
	assert.Len(t, *said, 3, "%q", *said)
	t.Setenv("PATH", path)
	for _, change := range []func(*image.Debian){
		func(d *image.Debian) { d.Files = []image.File{{Path: "/etc/x", Content: []byte("1")}} },
		func(d *image.Debian) { d.Files = []image.File{{Path: "/etc/x", Content: []byte("2")}} },
		func(d *image.Debian) { d.Files = []image.File{{Path: "/etc/x", Content: []byte("2"), Owner: "7"}} },
		func(d *image.Debian) { d.Files = []image.File{{Path: "/etc/x", Source: "testdata/own"}} },
		func(d *image.Debian) { d.Links = map[string]string{"/bin/sh": "busybox"} },
		func(d *image.Debian) { d.WorkDir = "/tmp" },
	} {
		changed := d
		change(&changed)
		other, err := b.FromDebian(t.Context(), changed)
		require.NoError(t, err)
		assert.NotContains(t, digests, other.Digest)
		digests = append(digests, other.Digest)
	}
}

func TestDebianRefusals(t *testing.T) {
	b := debianBuilder(t)
	from := func(packages ...string) error {
		_, err := b.FromDebian(t.Context(), image.Debian{Ref: "squall.local/x:test", Packages: packages})
		return err
	}
	err := from("ngnix")
	require.ErrorIs(t, err, apt.ErrNoPackage)
	assert.ErrorContains(t, err, "did you mean nginx?")
	err = from("busybo.")
	require.ErrorIs(t, err, apt.ErrNoPackage, "a name is no regular expression")
	assert.ErrorContains(t, err, "did you mean busybox?")
	err = from("nginx=0.1-1")
	require.ErrorIs(t, err, apt.ErrNoVersion)
	assert.ErrorContains(t, err, "it has 1.22")
	_, err = b.FromDebian(t.Context(), image.Debian{Ref: "squall.local/x:test", Packages: []string{"nginx"}, Suite: "potatoe"})
	assert.ErrorContains(t, err, "potatoe")

	_, err = b.FromDebian(t.Context(), image.Debian{
		Ref: "x", Packages: []string{"-o", "nginx;"}, Files: []image.File{{Path: "relative"}}, Env: []string{"PATH"}, StopSignal: "term",
	})
	for _, want := range []string{"write it in full", `"-o"`, `"nginx;"`, `"relative"`, "NAME=value", "SIGTERM"} {
		assert.ErrorContains(t, err, want)
	}
	_, err = b.FromDebian(t.Context(), image.Debian{Ref: "squall.local/x:test", Packages: []string{"busybox"}, User: "me"})
	assert.ErrorContains(t, err, `user "me" is neither`)
}

// TestDebianHosts is about machines that are unlike a Debian with a network.
func TestDebianHosts(t *testing.T) {
	from := func() error {
		b, _ := builder(t)
		_, err := b.FromDebian(t.Context(), image.Debian{Ref: "squall.local/x:test", Packages: []string{"busybox"}})
		return err
	}
	sources := func(lines string) {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, "sources.list"), []byte(lines), 0o644))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "apt.conf"), []byte(
			`Dir::Etc::sourcelist "`+dir+`/sources.list"; Dir::Etc::sourceparts "`+dir+`/none"; Dir::Etc::parts "/none"; Dir::Etc::main "/none";`), 0o644))
		t.Setenv("APT_CONFIG", filepath.Join(dir, "apt.conf"))
	}
	sources("deb http://127.0.0.1:1/debian bookworm main\n")
	err := from()
	require.ErrorIs(t, err, apt.ErrUnreachable)
	assert.ErrorContains(t, err, "127.0.0.1:1")
	sources("deb http://127.0.0.1:1/ubuntu jammy main\n# deb http://127.0.0.1:1/debian bookworm main\n")
	require.ErrorIs(t, from(), apt.ErrNoSource)
	assert.ErrorContains(t, from(), "jammy")

	// A mirror that signs nothing is refused even where the machine trusts it.
	unsigned := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(unsigned, "dists/bookworm"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(unsigned, "dists/bookworm/Release"), []byte("Codename: bookworm\nComponents: main\nSHA256:\n"), 0o644))
	sources("deb [trusted=yes] file:" + unsigned + " bookworm main\n")
	assert.ErrorContains(t, from(), "signature was refused")

	t.Setenv("PATH", t.TempDir())
	require.ErrorIs(t, from(), apt.ErrNoApt)
}
