package store

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"sync/atomic"
	"testing"

	"postdesk/ticketing"
)

const (
	helperDir   = "POSTDESK_STORE_DIR"
	helperFrom  = "POSTDESK_STORE_FROM"
	helperMails = "POSTDESK_STORE_MAILS" // after so many it ends; never when it is not set
)

// TestMain is also the process that TestKill kills.
func TestMain(m *testing.M) {
	if dir := os.Getenv(upgradeDir); dir != "" {
		fmt.Fprintln(os.Stderr, upgradeUntilKilled(dir))
		os.Exit(1)
	}
	if dir := os.Getenv(helperDir); dir != "" {
		fmt.Fprintln(os.Stderr, deliverForever(dir))
		os.Exit(1)
	}
	if dir := os.Getenv(indexDir); dir != "" {
		fmt.Fprintln(os.Stderr, indexForever(dir))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// killSize makes some of the mails long enough for a file.
func killSize(i int64) int {
	if i%10 == 0 {
		return inlineLimit + 1000
	}
	return 2048
}

// deliverForever writes the number of each mail that was acknowledged.
func deliverForever(dir string) error {
	from, err := strconv.ParseInt(os.Getenv(helperFrom), 10, 64)
	if err != nil {
		return err
	}
	d, err := Open(context.Background(), dir, Options{Synchronous: os.Getenv(helperSync)})
	if err != nil {
		return err
	}
	var next atomic.Int64
	next.Store(from)
	fault := make(chan error)
	for range 8 {
		go func() {
			for {
				i := next.Add(1)
				if _, _, err := deliver(d, sampleMail(i, killSize(i)), "a@x.example"); err != nil {
					fault <- err
				}
				fmt.Println(i)
				if enough := os.Getenv(helperMails); enough == strconv.FormatInt(i, 10) {
					fault <- errors.New("enough")
				}
			}
		}()
	}
	return <-fault
}

// killRound runs the helper, kills it after some acknowledgements, and gives all
// that it had acknowledged.
func killRound(t *testing.T, dir string, from int64, after int) (acknowledged []int64) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), helperDir+"="+dir, fmt.Sprintf("%s=%d", helperFrom, from))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		i, err := strconv.ParseInt(lines.Text(), 10, 64)
		if err != nil {
			break // a line that the kill has cut
		}
		if acknowledged = append(acknowledged, i); len(acknowledged) == after {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); err == nil || len(acknowledged) < after {
		t.Fatalf("%d acknowledged, %v: %s", len(acknowledged), err, stderr.String())
	}
	return acknowledged
}

func TestKill(t *testing.T) {
	dir := t.TempDir()
	var all []int64
	for round := range 4 {
		all = append(all, killRound(t, dir, int64(round)*1_000_000, 50+round*37)...)
	}
	d := open(t, dir)
	for _, i := range all {
		body := sampleMail(i, killSize(i))
		_, fresh, err := deliver(d, body, "a@x.example")
		if err != nil || fresh {
			t.Fatalf("mail %d was acknowledged and is lost (%v)", i, err)
		}
		hash := ticketing.Hash(sha256.Sum256(body))
		d.recent.take(hash) // the disk is what is looked at
		if got, err := d.Raw(t.Context(), hash); err != nil || !bytes.Equal(got, body) {
			t.Fatalf("mail %d came back as %d octets, %v", i, len(got), err)
		}
	}
	if err := d.Read(t.Context(), func(x ticketing.Tx) error {
		var verdict string
		err := x.(*tx).get("PRAGMA integrity_check", nil, &verdict)
		if verdict != "ok" {
			t.Errorf("integrity: %s", verdict)
		}
		return err
	}); err != nil {
		t.Error(err)
	}
}
