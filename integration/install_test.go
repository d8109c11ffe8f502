package integration

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

const nobody = 65534

// installFolder has what make install needs, and a folder "to" that is nobody's.
func installFolder(t *testing.T) (dir string) {
	t.Helper()
	// Not t.TempDir: nobody may not look into it.
	dir, err := os.MkdirTemp("/tmp", "desk-install-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	for from, to := range map[string]string{"../Makefile": "Makefile", "../LICENSE": "LICENSE", binary: "postdesk"} {
		data, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, to), data, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, err := range []error{os.Mkdir(filepath.Join(dir, "to"), 0o755), os.Chown(filepath.Join(dir, "to"), nobody, nobody), os.Chmod(dir, 0o755)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// make install puts everything where a system looks for it, below DESTDIR and by anybody,
// and make uninstall takes it away again.
func TestInstall(t *testing.T) {
	t.Parallel()
	dir := installFolder(t)
	do := func(target string) {
		t.Helper()
		cmd := exec.Command("make", target, "DESTDIR="+dir+"/to", "PREFIX=/usr", "BIN=./postdesk")
		cmd.Dir, cmd.Env = dir, []string{"PATH=" + os.Getenv("PATH"), "POSTDESK_CONFIG=/none"}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("make %s: %v: %s", target, err, out)
		}
	}
	do("install")
	do("install") // over itself
	begins := map[string]string{
		"usr/bin/postdesk": "\x7fELF", "usr/share/man/man1/postdesk.1": ".TH POSTDESK 1", "usr/share/man/man5/postdesk.toml.5": ".TH POSTDESK.TOML 5",
		"usr/share/man/man8/postdesk.8": ".TH POSTDESK 8", "usr/lib/systemd/system/postdesk.service": "[Unit]", "usr/lib/systemd/system/postdesk.socket": "[Unit]",
		"usr/lib/systemd/system/postdesk-control.socket": "[Unit]", "usr/lib/systemd/system/postdesk-http.socket": "# Only where", "usr/lib/sysusers.d/postdesk.conf": "u postdesk",
		"usr/share/bash-completion/completions/postdesk": "# bash completion", "usr/share/doc/postdesk/postdesk.toml": "# Domain", "usr/share/doc/postdesk/LICENSE": "MIT",
	}
	if got := filesBelow(t, dir+"/to"); len(got) != len(begins) {
		t.Errorf("installed: %q, want %d files", got, len(begins))
	}
	for name, want := range begins {
		checkInstalled(t, filepath.Join(dir, "to", name), want)
	}
	do("uninstall")
	if left := filesBelow(t, dir+"/to"); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// checkInstalled looks at one file: its first bytes, its mode, and what a unit starts.
func checkInstalled(t *testing.T, path, want string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil || !bytes.HasPrefix(data, []byte(want)) {
		t.Errorf("%s begins with %.20q, want %q: %v", path, data, want, err)
	}
	mode := fs.FileMode(0o644)
	if strings.Contains(path, "/bin/") {
		mode = 0o755
	}
	if info, err := os.Stat(path); err == nil && info.Mode().Perm() != mode {
		t.Errorf("%s has mode %s, want %s", path, info.Mode(), mode)
	}
	if strings.HasSuffix(path, "postdesk.service") && !strings.Contains(string(data), "ExecStart=/usr/bin/postdesk serve\n") {
		t.Error("the service starts another program than the one that is installed")
	}
}

func filesBelow(t *testing.T, dir string) (files []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(files)
	return files
}
