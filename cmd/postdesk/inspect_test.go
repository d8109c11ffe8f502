package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// inspect prints one object a line, in the order of the files, whatever stands in them.
func TestInspect(t *testing.T) {
	folder := t.TempDir()
	first, second := filepath.Join(folder, "1.eml"), filepath.Join(folder, "2.eml")
	mails := map[string]string{
		first: "From: Jo <jo@x.example>\nTo: a@desk.example\nCc: b@y.example\nSubject: a\x1b[31m\"},{\"\nDate: Mon, 2 Mar 2026 10:11:12 +0100\nContent-Type: multipart/mixed; boundary=b\n\n" +
			"--b\nContent-Type: text/html\n\n<p>Hi<img src=https://t.example/x>\n--b\nContent-Type: text/calendar\n\nBEGIN:VEVENT\nSUMMARY:Talk\nDTSTART:20260305T090000\nEND:VEVENT\n--b--\n",
		second: "",
	}
	for name, text := range mails {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var out, errs bytes.Buffer
	a := &app{ctx: t.Context(), stdout: &out, stderr: &errs}
	err := (&inspectCmd{Files: []string{first, filepath.Join(folder, "none"), second}, JSON: true, NoDNS: true}).Run(a)
	if err == nil || !strings.Contains(err.Error(), "1 of 3 files") {
		t.Errorf("%v", err)
	}
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	if len(lines) != 2 {
		t.Fatalf("%d lines: %s", len(lines), out.String())
	}
	var got [2]inspection
	for i, line := range lines {
		if err := json.Unmarshal([]byte(line), &got[i]); err != nil {
			t.Fatal(err)
		}
	}
	m := got[0]
	if m.File != first || got[1].File != second || m.Subject != `a [31m"},{"` || m.Cc[0].Address != "b@y.example" || m.Date.IsZero() || m.BlockedContent != 1 ||
		len(m.Calendar) != 1 || !strings.HasPrefix(m.Text, "Event: Talk, 2026-03-05 09:00\n\nHi") || len(got[1].Problems) == 0 {
		t.Errorf("%+v", got)
	}
}
