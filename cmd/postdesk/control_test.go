package main

import (
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// Root and the agent's own user may speak at the control socket, and nobody else, also
// where a careless chmod has opened the file. Needs root, as make test has it.
func TestControlRefusesOthers(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("this test connects as another user, so it needs root")
	}
	d := newDesk(t)
	d.start()
	path := filepath.Join(d.dir, "control.sock")
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v, want 0600: %v", info.Mode(), err)
	}
	c := connectAs(t, 65534, path)
	if _, err := c.Write([]byte("GET /api/v1/tickets HTTP/1.0\r\n\r\n")); err == nil {
		if n, err := c.Read(make([]byte, 1)); n > 0 || err == nil {
			t.Error("another user gets an answer")
		}
	}
	line := d.logged("refused")
	if uid, _ := line["uid"].(float64); uid != 65534 || !strings.Contains(line["socket"].(string), "control") {
		t.Errorf("the refusal does not say who and where: %v", line)
	}
	d.run(0, "ticket", "list")
}

// connectAs connects from a thread that is another user for the while.
func connectAs(t *testing.T, uid int, path string) net.Conn {
	t.Helper()
	for dir := filepath.Dir(path); dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(path, 0o666); err != nil {
		t.Fatal(err)
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	const keep = ^uintptr(0)
	// The raw call changes this thread alone, where syscall.Setresuid changes all.
	if _, _, errno := syscall.RawSyscall(syscall.SYS_SETRESUID, keep, uintptr(uid), keep); errno != 0 {
		t.Fatal(errno)
	}
	c, err := net.Dial("unix", path)
	if _, _, errno := syscall.RawSyscall(syscall.SYS_SETRESUID, keep, 0, keep); errno != 0 {
		panic(errno) // a thread with the wrong user must not go on
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}
