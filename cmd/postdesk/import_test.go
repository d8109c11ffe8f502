package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"postdesk/ticketing"
)

// tree makes files in a new folder.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		path := filepath.Join(root, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(content), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func found(t *testing.T, root string, paths ...string) (names []string) {
	t.Helper()
	for i, p := range paths {
		paths[i] = filepath.Join(root, p)
	}
	all, err := sources(paths)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range all {
		name, err := filepath.Rel(root, s.path)
		if err != nil {
			t.Fatal(err)
		}
		if s.mbox {
			name += " mbox"
		}
		names = append(names, name)
	}
	return names
}

func TestSources(t *testing.T) {
	const box = "From a@b Thu Feb  1 10:20:30 2024\nSubject: a\n\none\n"
	root := tree(t, map[string]string{
		"box": box, "empty.mbox": "", "one.EML": "Subject: a\n\none\n",
		"Maildir/cur/2.x:2,S": box, "Maildir/new/1.x": "x", "Maildir/new/.hidden": "x", "Maildir/tmp/3.x": "x", "Maildir/dovecot.index": "x",
		"Maildir/.Sent/cur/4.x:2,": "x", "Maildir/.Sent/new/5.x": "x", "Maildir/.Sent/tmp/6.x": "x",
		"folder/sub/b.eml": "x", "folder/a.mbox": box, "folder/readme.txt": "x", "folder/tmp/c.eml": "x", "gz": "\x1f\x8b\x08rest",
	})
	for _, c := range []struct{ paths, want []string }{
		{[]string{"box", "one.EML", "empty.mbox"}, []string{"box mbox", "one.EML", "empty.mbox mbox"}},
		{[]string{"Maildir"}, []string{"Maildir/.Sent/cur/4.x:2,", "Maildir/.Sent/new/5.x", "Maildir/new/1.x", "Maildir/cur/2.x:2,S"}},
		{[]string{"folder"}, []string{"folder/a.mbox mbox", "folder/sub/b.eml", "folder/tmp/c.eml"}},
	} {
		if got := found(t, root, slices.Clone(c.paths)...); !slices.Equal(got, c.want) {
			t.Errorf("%q: %q, want %q", c.paths, got, c.want)
		}
	}
	// A mail that was read since moves and gets a flag, and keeps its place.
	if err := os.Rename(filepath.Join(root, "Maildir/new/1.x"), filepath.Join(root, "Maildir/cur/1.x:2,RS")); err != nil {
		t.Fatal(err)
	}
	if got := found(t, root, "Maildir"); !slices.Equal(got[2:], []string{"Maildir/cur/1.x:2,RS", "Maildir/cur/2.x:2,S"}) {
		t.Errorf("%q", got)
	}
	for path, want := range map[string]string{"gz": "unpack it", "none": "no such file", "Maildir/tmp": "no mail is in it"} {
		if _, err := sources([]string{filepath.Join(root, path)}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// index reads files as an import does.
func index(t testing.TB, paths ...string) *history {
	t.Helper()
	files, err := sources(paths)
	if err != nil {
		t.Fatal(err)
	}
	aliases, err := ticketing.NewAliases(nil)
	if err != nil {
		t.Fatal(err)
	}
	x := &indexer{aliases: aliases, ours: func(string) bool { return false }, now: time.Now(), report: func(int64, int) {}}
	h, err := x.index(context.Background(), files)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// A report belongs to the mail that it is about, a mail that lies in two folders is one,
// and every mail but the first of a thread has an anchor that comes before it.
func TestIndex(t *testing.T) {
	root := tree(t, map[string]string{
		"1.eml": "From: a@b\nMessage-ID: <1@x>\nDate: Thu, 1 Feb 2024 10:00:00 +0000\nSubject: one\n\nbody\n",
		"2.eml": "Status: R\nFrom: a@b\nMessage-ID: <1@x>\nDate: Thu, 1 Feb 2024 10:00:00 +0000\nSubject: one\n\nbody\n\n",
		"3.eml": "From: MAILER-DAEMON@c\nDate: Thu, 1 Feb 2024 09:00:00 +0000\nSubject: Undelivered\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\n\n" +
			"--b\n\nFailed.\n--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; c\n\nFinal-Recipient: rfc822; d@e\nAction: failed\nStatus: 5.1.1\n\n--b\nContent-Type: message/rfc822\n\nMessage-ID: <1@x>\nSubject: one\n\nbody\n--b--\n",
		"4.eml": "\n\nFrom: z@b\nDate: Thu, 1 Feb 2024 08:00:00 +0000\nSubject: two\n\nbody\n",
	})
	h := index(t, root)
	if h.twice != 1 || len(h.mails) != 3 || len(h.order) != 3 {
		t.Fatalf("%d twice, %d mails", h.twice, len(h.mails))
	}
	var order, anchored []int
	anchors := h.anchors()
	for _, p := range h.order {
		order = append(order, p.Index)
		if anchors[p.Index] == h.mails[0].key {
			anchored = append(anchored, p.Index)
		}
	}
	if !slices.Equal(order, []int{2, 0, 1}) || !slices.Equal(anchored, []int{1}) || !anchors[0].IsZero() || !anchors[2].IsZero() {
		t.Errorf("order %v, anchored at the first %v", order, anchored)
	}
	h.mails[1].known = true // the report was imported before the mail came to light
	if anchors = h.anchors(); anchors[0] != h.mails[1].key {
		t.Error("a mail does not join what is there of its thread")
	}
}

// On a terminal a bar stands in one line, and what comes after it in the next.
func TestProgressBar(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // the last line counts the seconds
		var out bytes.Buffer
		p := newProgress(&out)
		p.terminal = true
		p.start("reading", 0)
		p.show(5, 10, "KB")
		p.show(0, 0, "KB")
		p.leave()
		p.leave()
		want := "\r[############............] reading 5 of 10 KB, 50 %\r[########################] reading 0 of 0 KB, 100 %\n"
		if out.String() != want {
			t.Errorf("%q", out.String())
		}
	})
}

// What was changed between the two passes is not taken for what was found.
func TestImportOfChangedFile(t *testing.T) {
	root := tree(t, map[string]string{"box": "From a@b Thu Feb  1 10:20:30 2024\nSubject: one\n\nbody\n\nFrom a@b Thu Feb  1 10:20:31 2024\nSubject: two\n\nbody\n"})
	i := &importer{history: index(t, filepath.Join(root, "box"))}
	defer i.close()
	if raw, err := i.read(i.history.mails[1]); err != nil || string(raw) != "Subject: two\n\nbody\n" {
		t.Fatalf("%q %v", raw, err)
	}
	if err := os.WriteFile(filepath.Join(root, "box"), []byte("From a@b Thu Feb  1 10:20:31 2024\nSubject: two\n\nbody\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, m := range i.history.mails {
		var f fault
		if _, err := i.read(m); !errors.As(err, &f) || f.code != exitTemp {
			t.Errorf("%v", err)
		}
	}
}

func TestReadHead(t *testing.T) {
	long := strings.Repeat("x", 40_000)
	for in, want := range map[string]string{
		"A: b\n\nc\n": "A: b\n\n", "A: b\r\n\r\nc": "A: b\r\n\r\n", "A: b": "A: b", "": "", "\n\nA: b\n\nc": "\n\nA: b\n\n", "A: " + long + "\n\nc": "A: " + long + "\n\n",
	} {
		got, err := readHead(bufio.NewReaderSize(strings.NewReader(in), 4096))
		if err != nil || string(got) != want {
			t.Errorf("%.40q: %.40q %v", in, got, err)
		}
	}
	got, err := readHead(bufio.NewReader(strings.NewReader(strings.Repeat("x", 3*headMax))))
	if err != nil || len(got) < headMax || len(got) > headMax+4096 {
		t.Errorf("of a header without end %d octets are read: %v", len(got), err)
	}
}

// Elsewhere than on a terminal a line comes once a second, and the last one at the end.
func TestProgress(t *testing.T) {
	var out bytes.Buffer
	p := newProgress(&out)
	p.start("importing", 0)
	for n := range int64(1000) {
		p.step(n, 1_000_000, "mails")
	}
	p.shown = p.shown.Add(-2 * time.Second)
	p.begun = p.begun.Add(-1000 * time.Second)
	p.step(500_000, 1_000_000, "mails")
	p.end(1_000_000, 1_000_000, "mails")
	want := []string{"importing 500000 of 1000000 mails, 50 %, 500/s, 16m40s left", "importing 1000000 of 1000000 mails, 100 %, 1000/s, 0s left"}
	if got := strings.Split(strings.TrimSpace(out.String()), "\n"); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}
