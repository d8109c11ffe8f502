package lmtp

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/net/netutil"
)

// maxConnections is how many are served at once; Postfix opens 20 by default, and more
// wait in the kernel.
const maxConnections = 200

// ListenOptions say who may connect to a unix socket.
type ListenOptions struct {
	Mode     fs.FileMode // of the socket; 0 is 0660
	Group    string      // that may connect; empty leaves the group as it is
	PeerUIDs []int       // users that may connect besides root and our own; checked by the kernel's word
	// Inherited may have the socket already; then mode and group are systemd's affair. nil: none.
	Inherited *Inherited
	Log       *slog.Logger
}

// Listen opens the door for mail: "unix:/path", "tcp:127.0.0.1:24" (loopback alone,
// since LMTP knows no login), or "systemd" for the socket that systemd has opened,
// "systemd:NAME" for one of several. One of systemd's at the path or address that is
// named is taken over too.
func Listen(_ context.Context, spec string, o ListenOptions) (net.Listener, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	scheme, rest, _ := strings.Cut(spec, ":")
	var l net.Listener
	var err error
	switch scheme {
	case "unix":
		l, err = listenUnix(rest, o)
	case "tcp", "inet":
		l, err = listenTCP(rest, o.Inherited)
	case "systemd":
		l, err = o.Inherited.named(rest)
	default:
		err = errors.New(`want "unix:/path", "tcp:127.0.0.1:PORT" or "systemd"`)
	}
	if err != nil {
		return nil, fmt.Errorf("listen on %q: %w", spec, err)
	}
	if u, ok := l.(*net.UnixListener); ok {
		l = &peerListener{u, append([]int{0, os.Geteuid()}, o.PeerUIDs...), o.Log}
	}
	return netutil.LimitListener(l, maxConnections), nil
}

func listenTCP(address string, inherited *Inherited) (net.Listener, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, errors.New("not a loopback address: whoever reaches it could deliver mail past Postfix")
	}
	if l := inherited.Take("tcp", address); l != nil {
		return l, nil
	}
	return net.Listen("tcp", address)
}

// listenUnix makes the socket, with the rights set before anybody is answered.
func listenUnix(path string, o ListenOptions) (net.Listener, error) {
	if !filepath.IsAbs(path) {
		return nil, errors.New("the path of the socket must be absolute")
	}
	if len(path) > 107 {
		return nil, fmt.Errorf("the path has %d octets, a unix socket's has 107 at most", len(path))
	}
	if l := o.Inherited.Take("unix", path); l != nil {
		return l, nil
	}
	gid := -1
	if o.Group != "" {
		g, err := user.LookupGroup(o.Group)
		if err != nil {
			return nil, fmt.Errorf("%w; set the group by which Postfix connects", err)
		}
		gid, _ = strconv.Atoi(g.Gid)
	}
	if err := removeStale(path); err != nil {
		return nil, err
	}
	if err := makeFolder(filepath.Dir(path), gid); err != nil {
		return nil, err
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	if err := setRights(path, o.Mode, gid); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// removeStale takes away what an agent left that was killed; a socket that answers
// belongs to somebody.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return errors.New("there is a file of that name that is no socket")
	}
	c, err := net.Dial("unix", path)
	if err == nil {
		c.Close()
		return errors.New("somebody answers there already; is another agent running?")
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return err
	}
	return os.Remove(path)
}

// makeFolder makes the folder when it is missing: Postfix may search it, others not.
func makeFolder(dir string, gid int) error {
	if _, err := os.Stat(dir); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Mkdir(dir, 0o750); err != nil {
		return err
	}
	if err := os.Chown(dir, -1, gid); err != nil {
		return err
	}
	return os.Chmod(dir, 0o750)
}

func setRights(path string, mode fs.FileMode, gid int) error {
	if mode == 0 {
		mode = 0o660
	}
	if err := os.Chown(path, -1, gid); err != nil {
		return err
	}
	return os.Chmod(path, mode)
}

// peerListener lets in the users it knows and closes on the others: file rights are
// set by hand on many machines, and wrong ones must not open the desk.
type peerListener struct {
	*net.UnixListener
	uids []int
	log  *slog.Logger
}

func (l *peerListener) Accept() (net.Conn, error) {
	for {
		c, err := l.AcceptUnix()
		if err != nil {
			return nil, err
		}
		uid, err := peerUID(c)
		if err == nil && slices.Contains(l.uids, uid) {
			return c, nil
		}
		l.log.Warn("connection to the LMTP socket refused: this user is not Postfix", "uid", uid, "error", err)
		c.Close()
	}
}

// peerUID asks the kernel who opened the connection (unix(7), SO_PEERCRED).
func peerUID(c *net.UnixConn) (int, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return -1, err
	}
	var cred *syscall.Ucred
	var credErr error
	err = raw.Control(func(fd uintptr) {
		cred, credErr = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	})
	if err = errors.Join(err, credErr); err != nil {
		return -1, err
	}
	return int(cred.Uid), nil
}
