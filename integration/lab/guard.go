package lab

import (
	"io"
	"os/exec"
	"syscall"
)

// guard cleans up after a lab whatever ends the program: a test that panics or
// runs into its time limit runs no deferred calls, and Postfix would stay.
type guard struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
}

func startGuard(dir string) (*guard, error) {
	cmd := exec.Command("/bin/sh", "-c", guardScript, "lab-guard", dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // out of reach of Ctrl-C
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	return &guard{cmd, in}, cmd.Start()
}

func (g *guard) stop() error {
	if err := g.stdin.Close(); err != nil {
		return err
	}
	return g.cmd.Wait()
}
