package lab

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Machine is a systemd of its own, as process 1 of its namespaces: its root is the
// machine's with a layer above it that goes with the machine. The network is shared, and so
// are the processes outside, though it does not see them.
type Machine struct {
	Root string // of its file system, from outside

	cmd    *exec.Cmd
	init   int // systemd's process, as seen from outside
	cgroup string
}

// machineScript makes the root of the machine in its folder and becomes its systemd.
// Arguments: folder, then SOURCE and TARGET of each folder that is shared with outside.
const machineScript = `set -e
cd "$1"; shift
mount --make-rprivate /
mkdir base; mount -t tmpfs tmpfs base; mkdir base/upper base/work base/root
mount -t overlay overlay -o lowerdir=/,upperdir=base/upper,workdir=base/work base/root
R=$PWD/base/root
mount -t proc proc $R/proc
mount -t sysfs sysfs $R/sys
mount -t cgroup2 cgroup2 $R/sys/fs/cgroup
mount --rbind /dev $R/dev
mount -t tmpfs -o mode=0755 tmpfs $R/run
while [ $# -gt 0 ]; do mkdir -p "$R$2"; mount --bind "$1" "$R$2"; shift 2; done
mount -t tmpfs -o mode=1777 tmpfs $R/tmp
rm -rf $R/var/log/journal $R/etc/machine-id; mkdir -p $R/var/log/journal
echo 0123456789abcdef0123456789abcdef > $R/etc/machine-id
cat > $R/etc/systemd/system/lab.target <<END
[Unit]
Wants=systemd-journald.service systemd-journald.socket systemd-journald-dev-log.socket
After=systemd-journald.service
END
cd $R; mkdir -p old; pivot_root . old; umount -l /old
exec env -i container=lab PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --unit=lab.target --show-status=0 </dev/null
`

// StartMachine starts a systemd. shared are folders: outside, inside. folder must be empty
// and is needed until Stop.
func StartMachine(ctx context.Context, folder string, shared map[string]string) (*Machine, error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("a systemd of its own needs root")
	}
	if err := Need("/lib/systemd/systemd", "systemctl", "unshare"); err != nil {
		return nil, err
	}
	cgroup, err := newCgroup()
	if err != nil {
		return nil, err
	}
	args := []string{"-c", `echo $$ > "$0/cgroup.procs"; exec unshare --mount --pid --uts --ipc --cgroup --fork --kill-child /bin/sh -c "$@"`,
		cgroup, machineScript, "machine", folder}
	for outside, inside := range shared {
		args = append(args, outside, inside)
	}
	m := &Machine{cmd: exec.Command("/bin/sh", args...), cgroup: cgroup}
	log, err := os.Create(filepath.Join(folder, "log"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	m.cmd.Stdout, m.cmd.Stderr = log, log
	m.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if err := m.cmd.Start(); err != nil {
		return nil, err
	}
	err = Until(ctx, "a systemd that runs", func() (bool, error) {
		if m.init, err = child(m.cmd.Process.Pid); err != nil {
			return false, err
		}
		out, err := m.Run(ctx, "systemctl", "is-system-running")
		return err == nil && strings.TrimSpace(out) == "running", err
	})
	if err != nil {
		text, _ := os.ReadFile(filepath.Join(folder, "log"))
		return nil, errors.Join(fmt.Errorf("%w: %s", err, text), m.Stop())
	}
	m.Root = fmt.Sprintf("/proc/%d/root", m.init)
	return m, nil
}

// newCgroup makes a control group in the hierarchy of version 2, wherever that is mounted.
func newCgroup() (string, error) {
	f, err := os.Open("/proc/self/mounts")
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	for scan := bufio.NewScanner(f); scan.Scan(); {
		if fields := strings.Fields(scan.Text()); len(fields) > 2 && fields[2] == "cgroup2" {
			return os.MkdirTemp(fields[1], "desk-")
		}
	}
	return "", errors.New("no cgroup2 file system is mounted here")
}

// child is the first child of a process.
func child(pid int) (c int, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", pid))
	if err == nil {
		_, err = fmt.Sscan(string(text), &c)
	}
	return c, err
}

// Run runs a program in the machine and gives its output.
func (m *Machine) Run(ctx context.Context, name string, args ...string) (string, error) {
	in := []string{"-t", fmt.Sprint(m.init), "-m", "-p", "-u", "-i", "-C", name}
	out, err := exec.CommandContext(ctx, "nsenter", append(in, args...)...).CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, out)
	}
	return string(out), err
}

// Write puts a file into the machine, with its folder.
func (m *Machine) Write(path, text string, mode os.FileMode) error {
	path = filepath.Join(m.Root, path)
	return errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), mode), os.Chmod(path, mode))
}

// Stop ends the machine with all that runs in it: the kernel ends a namespace with its
// process 1.
func (m *Machine) Stop() error {
	_ = syscall.Kill(-m.cmd.Process.Pid, syscall.SIGKILL)
	if m.init > 0 {
		_ = syscall.Kill(m.init, syscall.SIGKILL)
	}
	_ = m.cmd.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return Until(ctx, "an empty control group", func() (bool, error) {
		removed := true
		// The deepest first: a group with another in it cannot be removed.
		var groups []string
		_ = filepath.WalkDir(m.cgroup, func(path string, e os.DirEntry, err error) error {
			if err == nil && e.IsDir() {
				groups = append(groups, path)
			}
			return nil
		})
		for i := len(groups) - 1; i >= 0; i-- {
			removed = syscall.Rmdir(groups[i]) == nil && removed
		}
		return removed, nil
	})
}
