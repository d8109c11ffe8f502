package postfix

import (
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// socketPathMax is sun_path without its NUL (unix(7)).
const socketPathMax = 107

// socket looks whether Postfix can reach the agent, and whether others can.
func (c *checker) socket() {
	path := c.site.unixSocket()
	if path == "" {
		c.tcp()
		return
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(c.values["queue_directory"], path)
	}
	if len(path) > socketPathMax {
		c.add(Error, fmt.Sprintf("The path of the socket has %d octets; the kernel takes %d.", len(path), socketPathMax), "Choose a shorter one.")
		return
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		c.add(Warning, fmt.Sprintf("The socket cannot be seen: %v. Mail waits in Postfix's queue meanwhile.", err),
			"Start postdesk; then \"postqueue -f\" delivers at once what waits.")
		return
	case info.Mode()&fs.ModeSocket == 0:
		c.add(Error, path+" is no socket.", "Move that file away and start postdesk again.")
		return
	case info.Mode()&0o002 != 0:
		c.add(Error, fmt.Sprintf("%s has mode %#o: any user of this machine can hand in mail under any name.", path, info.Mode().Perm()), "chmod 0660 "+path)
	}
	c.reach(path, info)
}

// reach looks at rights as lmtp(8) has them: it runs as mail_owner, in the primary
// group of that user and no other.
func (c *checker) reach(path string, info fs.FileInfo) {
	owner, err := user.Lookup(c.values["mail_owner"])
	if err != nil {
		c.add(Warning, fmt.Sprintf("mail_owner cannot be found, so the rights of the socket are not checked: %v.", err), "postconf -e mail_owner=postfix")
		return
	}
	uid, _ := strconv.Atoi(owner.Uid)
	gid, _ := strconv.Atoi(owner.Gid)
	if !allows(info, uid, gid, 0o2) {
		c.add(Error, fmt.Sprintf("%s may not write to %s (mode %#o): mail is deferred.", owner.Username, path, info.Mode().Perm()),
			fmt.Sprintf("Give it the group of %s and mode 0660.", owner.Username))
	}
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		d, err := os.Stat(dir)
		if err == nil && !allows(d, uid, gid, 0o1) {
			c.add(Error, fmt.Sprintf("%s may not search %s (mode %#o), where the socket is: mail is deferred.", owner.Username, dir, d.Mode().Perm()),
				fmt.Sprintf("chgrp %s %s; chmod g+x %s", owner.Username, dir, dir))
		}
		if dir == filepath.Dir(dir) {
			return
		}
	}
}

// allows is the check of the kernel for one of read, write and search (path_resolution(7)).
func allows(info fs.FileInfo, uid, gid int, bit fs.FileMode) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !ok:
		return true
	case int(st.Uid) == uid:
		bit <<= 6
	case int(st.Gid) == gid:
		bit <<= 3
	}
	return info.Mode()&bit != 0
}

// tcp: LMTP knows no login, so that whoever reaches the port may say who wrote.
func (c *checker) tcp() {
	host, _, err := net.SplitHostPort(strings.TrimPrefix(c.site.Socket, "inet:"))
	if !strings.HasPrefix(c.site.Socket, "inet:") || err != nil {
		c.add(Error, fmt.Sprintf("%q is no socket of lmtp(8).", c.site.Socket), "Write unix:/run/postdesk/lmtp.sock or inet:127.0.0.1:24.")
		return
	}
	ip := net.ParseIP(host)
	if host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		c.add(Error, fmt.Sprintf("The agent listens on %s, where others can hand in mail under any name.", host), "Listen on a Unix socket.")
		return
	}
	c.add(Warning, "The agent listens on TCP: every user of this machine can hand in mail under any name.", "Listen on a Unix socket.")
}
