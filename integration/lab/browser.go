package lab

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// DumpDOM loads a page in a headless Chromium and gives the document as it is when all is
// loaded and all scripts have run.
func DumpDOM(ctx context.Context, url string) (string, error) {
	if err := Need("chromium"); err != nil {
		return "", err
	}
	profile, err := os.MkdirTemp("", "chromium")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(profile)
	cmd := exec.CommandContext(ctx, "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
		"--user-data-dir="+profile, "--virtual-time-budget=10000", "--dump-dom", url)
	cmd.WaitDelay = time.Minute
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("chromium: %w: %.500s", err, stderr.String())
	}
	return string(out), nil
}
