package lab

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
)

// Build builds the agent into a folder and gives the path of the program. The
// working directory must be in the module.
func Build(ctx context.Context, folder string) (string, error) {
	out := filepath.Join(folder, "postdesk")
	// No debugger looks at it, and its tables are a quarter of the linker's work.
	cmd := exec.CommandContext(ctx, "go", "build", "-ldflags=-w", "-o", out, "postdesk/cmd/postdesk")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w: %s", err, text)
	}
	return out, nil
}

// RunTests runs tests beside an agent that is built once for all of them, and gives their exit
// code. Before, ready is told the agent's program; its folder is gone after the tests.
func RunTests(tests interface{ Run() int }, ready func(binary string) error) (code int) {
	folder, err := os.MkdirTemp("", "postdesk")
	binary := ""
	if err == nil {
		binary, err = Build(context.Background(), folder)
	}
	if err == nil {
		err = ready(binary)
	}
	if err == nil {
		code = tests.Run()
	}
	if err := errors.Join(err, os.RemoveAll(folder)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// LookAtSources looks at every source of the agent and of the examples: go test keeps a result
// until a file changes that a test has looked at, and sees neither what a build reads nor what
// is looked at before the tests run.
func LookAtSources() error {
	root, err := os.Getwd()
	for err == nil {
		if _, err := os.Stat(filepath.Join(root, "go.mod")); err == nil {
			break
		}
		if filepath.Dir(root) == root {
			return errors.New("the working directory is in no module")
		}
		root = filepath.Dir(root)
	}
	for _, folder := range []string{"cmd", "lmtp", "ticketing", "postfix", "integration/examples"} {
		err = errors.Join(err, filepath.WalkDir(filepath.Join(root, folder), func(_ string, _ fs.DirEntry, err error) error { return err }))
	}
	return err
}
