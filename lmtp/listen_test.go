package lmtp

import (
	"bytes"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestListenUnix(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "lmtp.sock")
	l, err := Listen(t.Context(), "unix:"+path, ListenOptions{Mode: 0o600})
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the socket: %v %v", info, err)
	}
	if info, err := os.Stat(filepath.Dir(path)); err != nil || info.Mode().Perm() != 0o750 {
		t.Errorf("its folder: %v %v", info, err)
	}
	if _, err := Listen(t.Context(), "unix:"+path, ListenOptions{}); err == nil || !strings.Contains(err.Error(), "another agent") {
		t.Errorf("a second listener: %v", err)
	}
	l.Close()
	// What a killed agent leaves behind is in nobody's way.
	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	stale.SetUnlinkOnClose(false)
	stale.Close()
	l, err = Listen(t.Context(), "unix:"+path, ListenOptions{})
	if err != nil {
		t.Fatal("a stale socket:", err)
	}
	l.Close()
}

func TestListenRefuses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	for spec, want := range map[string]string{
		"tcp:0.0.0.0:0":                     "loopback",
		"tcp:192.0.2.1:24":                  "loopback",
		"unix:relative":                     "absolute",
		"unix:/" + strings.Repeat("x", 120): "107",
		"unix:" + file:                      "no socket",
		"systemd":                           "systemd",
		"/run/x.sock":                       "want",
	} {
		if _, err := Listen(t.Context(), spec, ListenOptions{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", spec, err, want)
		}
	}
	if b, err := os.ReadFile(file); err != nil || string(b) != "precious" {
		t.Error("a file in the way was touched")
	}
}

// Another user is refused by the kernel's word, even where file rights let them in.
func TestPeerIsChecked(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("this test becomes another user and needs root")
	}
	dir, err := os.MkdirTemp("/tmp", "lmtp")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	os.Chmod(dir, 0o755)
	var log bytes.Buffer
	path := filepath.Join(dir, "s")
	l, err := Listen(t.Context(), "unix:"+path, ListenOptions{Mode: 0o666, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	accepted := make(chan net.Conn, 1)
	go func() {
		c, err := l.Accept()
		if err == nil {
			accepted <- c
		}
	}()
	// perl is on every Debian machine.
	out, err := exec.Command("perl", "-MIO::Socket::UNIX", "-e", `$)=65534; $>=65534; $s=IO::Socket::UNIX->new(Peer=>$ARGV[0]) or die "connect: $!"; print "closed" unless defined <$s>`, path).CombinedOutput()
	if err != nil || string(out) != "closed" {
		t.Errorf("another user: %q %v", out, err)
	}
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	(<-accepted).Close()
	if !strings.Contains(log.String(), "uid=65534") {
		t.Errorf("the log does not name the user: %s", log.String())
	}
}

// The socket that systemd holds open is taken over, in a process of its own since it
// comes as descriptor 3 (sd_listen_fds(3)).
func TestListenInherited(t *testing.T) {
	if os.Getenv("LISTEN_FDS") != "" {
		in := Inherit()
		l, err := Listen(t.Context(), os.Getenv("TEST_LISTEN"), ListenOptions{Inherited: in})
		if err != nil {
			t.Fatal(err)
		}
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(c, "inherited")
		c.Close()
		if left := in.Left(); len(left) != 0 {
			t.Error("not taken:", left)
		}
		return
	}
	for _, spec := range []string{"systemd", "systemd:mail", "unix:PATH"} {
		t.Run(spec, func(t *testing.T) { testInherited(t, spec) })
	}
}

func testInherited(t *testing.T, spec string) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	f, err := l.File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	// The pid is known to the shell alone, and stays when it becomes the test.
	cmd := exec.Command("sh", "-c", `LISTEN_FDS=1 LISTEN_FDNAMES=mail LISTEN_PID=$$ exec "$0" -test.run='^TestListenInherited$'`, os.Args[0])
	cmd.Env = append(os.Environ(), "TEST_LISTEN="+strings.Replace(spec, "PATH", path, 1))
	cmd.ExtraFiles = []*os.File{f}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got, err := io.ReadAll(c); err != nil || string(got) != "inherited" {
		t.Errorf("the socket's owner said %q, %v", got, err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Error("the socket was taken away, whose owner is systemd:", err)
	}
}
