package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// sizes says how large the files are.
func sizes(_ context.Context, out io.Writer, full, _ string, made size, _ options) error {
	for _, name := range []string{"postdesk.db", "search.db"} {
		info, err := os.Stat(filepath.Join(full, name))
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%-12s %6.0f MB, %5.0f octets a message\n", name, float64(info.Size())/1e6, float64(info.Size())/float64(made.messages))
	}
	return nil
}

// starts runs the real binary on both desks until its first reply by LMTP.
func starts(ctx context.Context, out io.Writer, full, none string, _ size, o options) error {
	binary := filepath.Join(filepath.Dir(full), "postdesk")
	build := exec.CommandContext(ctx, "go", "build", "-o", binary, "postdesk/cmd/postdesk")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, text)
	}
	var took [2][]float64
	for round := range o.rounds + 1 {
		for i, dir := range []string{full, none} {
			t, err := startOnce(ctx, binary, dir)
			if err != nil {
				return err
			}
			if round > 0 {
				took[i] = append(took[i], t.Seconds()*1e3)
			}
		}
	}
	fmt.Fprintf(out, "\nstart to the first reply by LMTP, ms: %.0f with all (worst %.0f), %.0f with none (worst %.0f)\n",
		median(took[0]), slices.Max(took[0]), median(took[1]), slices.Max(took[1]))
	return nil
}

func startOnce(ctx context.Context, binary, data string) (took time.Duration, err error) {
	dir, err := os.MkdirTemp("", "start")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	text := fmt.Sprintf("domain = \"desk.example\"\ndata = %q\n[lmtp]\nlisten = \"unix:%[2]s/lmtp.sock\"\ngroup = \"\"\n[submission]\nserver = \"127.0.0.1:1\"\n[dns]\nnameserver = \"127.0.0.1:1\"\n"+
		"[http]\nlisten = \"127.0.0.1:0\"\n[control]\nsocket = \"%[2]s/control.sock\"\n", data, dir)
	for _, q := range queues {
		text += fmt.Sprintf("[[queue]]\nkey = %q\naddress = [%q]\n", q.key, strings.ToLower(q.key)+"@desk.example")
	}
	config := filepath.Join(dir, "postdesk.toml")
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return 0, err
	}
	cmd := exec.CommandContext(ctx, binary, "--config", config, "serve")
	var log bytes.Buffer
	cmd.Stderr = &log
	begun := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	took, err = firstReply(ctx, filepath.Join(dir, "lmtp.sock"), begun)
	cmd.Process.Signal(syscall.SIGTERM)
	if stop := cmd.Wait(); err != nil || stop != nil {
		return 0, fmt.Errorf("%w: %s", errors.Join(err, stop), &log)
	}
	return took, nil
}

func firstReply(ctx context.Context, socket string, begun time.Time) (time.Duration, error) {
	for time.Since(begun) < time.Minute && ctx.Err() == nil {
		c, err := net.Dial("unix", socket)
		if err != nil {
			time.Sleep(time.Millisecond)
			continue
		}
		defer c.Close()
		line, err := bufio.NewReader(c).ReadString('\n')
		if err == nil && !strings.HasPrefix(line, "220") {
			err = fmt.Errorf("it says %q", line)
		}
		return time.Since(begun), err
	}
	return 0, errors.New("it does not answer")
}
