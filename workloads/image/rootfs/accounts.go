package rootfs

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Owner is whose a file is.
type Owner struct{ UID, GID int }

// Account is a user with a group of the same name.
type Account struct {
	Name     string
	UID, GID int
	Home     string
}

// debianAccounts are users that Debian gives fixed numbers
// (/usr/share/base-passwd/passwd.master of its package base-passwd).
func debianAccounts() []Account {
	return []Account{
		{"root", 0, 0, "/root"}, {"daemon", 1, 1, "/usr/sbin"}, {"bin", 2, 2, "/bin"}, {"sys", 3, 3, "/dev"},
		{"games", 5, 60, "/usr/games"}, {"man", 6, 12, "/var/cache/man"}, {"mail", 8, 8, "/var/mail"},
		{"proxy", 13, 13, "/bin"}, {"www-data", 33, 33, "/var/www"}, {"backup", 34, 34, "/var/backups"},
		{"nobody", nobodyID, nobodyID, "/nonexistent"},
	}
}

// debianGroups are groups without a user of their name
// (/usr/share/base-passwd/group.master of its package base-passwd).
func debianGroups() []Account {
	return []Account{{"adm", 0, 4, ""}, {"tty", 0, 5, ""}, {"disk", 0, 6, ""}, {"kmem", 0, 15, ""}, {"shadow", 0, 42, ""},
		{"utmp", 0, 43, ""}, {"staff", 0, 50, ""}, {"users", 0, 100, ""}}
}

// nobodyID is the number of Debian's nobody and nogroup.
const nobodyID = 65534

// Accounts are all users and groups of an image.
type Accounts struct{ users, groups []Account }

// NewAccounts are Debian's fixed users and groups and the given users.
func NewAccounts(more []Account) (Accounts, error) {
	a := Accounts{users: debianAccounts(), groups: debianGroups()}
	for _, u := range more {
		taken := func(o Account) bool { return o.Name == u.Name || o.UID == u.UID }
		if i := slices.IndexFunc(a.users, taken); i >= 0 {
			return Accounts{}, fmt.Errorf("user %s with number %d: there is already %s with %d", u.Name, u.UID, a.users[i].Name, a.users[i].UID)
		}
		a.users = append(a.users, u)
	}
	return a, nil
}

// Owner reads "name", "uid" or "uid:gid"; empty is root. A number without a
// group has the group of the same number.
func (a Accounts) Owner(text string) (Owner, error) {
	if text == "" {
		return Owner{}, nil
	}
	for _, u := range a.users {
		if u.Name == text {
			return Owner{UID: u.UID, GID: u.GID}, nil
		}
	}
	user, group, both := strings.Cut(text, ":")
	if !both {
		group = user
	}
	uid, err := strconv.ParseUint(user, 10, 31)
	gid, err2 := strconv.ParseUint(group, 10, 31)
	if err != nil || err2 != nil {
		var names []string
		for _, u := range a.users {
			names = append(names, u.Name)
		}
		return Owner{}, fmt.Errorf("user %q is neither \"uid\" nor \"uid:gid\" in numbers nor one of the image's users %s; add it to Users",
			text, strings.Join(names, ", "))
	}
	return Owner{UID: int(uid), GID: int(gid)}, nil
}

// Write puts /etc/passwd and /etc/group into the tree, and the files beside
// them without which libc would look in the wrong place.
func (a Accounts) Write(t *Tree) error {
	var passwd, group strings.Builder
	for _, u := range a.users {
		fmt.Fprintf(&passwd, "%s:x:%d:%d:%s:%s:%s\n", u.Name, u.UID, u.GID, u.Name, u.Home, shell(u))
	}
	for _, g := range slices.Concat(a.users, a.groups) {
		if g.GID == nobodyID {
			g.Name = "nogroup"
		}
		fmt.Fprintf(&group, "%s:x:%d:\n", g.Name, g.GID)
	}
	for name, content := range map[string]string{
		"etc/passwd": passwd.String(),
		"etc/group":  group.String(),
		// Without it libc asks DNS before /etc/hosts.
		"etc/nsswitch.conf": "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nnetworks: files\nservices: files\nprotocols: files\n",
		// Kubelet and most runtimes mount their own over it.
		"etc/hosts": "127.0.0.1 localhost\n::1 localhost ip6-localhost\n",
		// For an ldconfig, should somebody run one; without its cache the loader
		// looks in these folders by itself.
		"etc/ld.so.conf": "include /etc/ld.so.conf.d/*.conf\n",
	} {
		if err := t.AddFile(name, Stat{Mode: 0o644}, []byte(content)); err != nil {
			return err
		}
	}
	return nil
}

func shell(u Account) string {
	if u.Name == "root" {
		return "/bin/sh"
	}
	return "/usr/sbin/nologin"
}
