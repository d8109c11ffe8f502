package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"postdesk/ticketing/mail"
)

// source is a file with mail: an mbox, or one mail.
type source struct {
	path string
	size int64
	mbox bool
}

// sources finds the files with mail in what was named: mbox files, mails, Maildirs with
// their sub folders, and folders of all these. The order is the same each time.
func sources(paths []string) ([]source, error) {
	var out []source
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, fault{exitNoInput, err.Error()}
		}
		var found []source
		if info.IsDir() {
			found, err = folder(path)
		} else {
			found, err = file(path)
		}
		if err != nil {
			return nil, err
		}
		if len(found) == 0 {
			return nil, fault{exitNoInput, fmt.Sprintf("%s: no mail is in it: want an mbox file, a Maildir, or .eml and .mbox files", path)}
		}
		out = append(out, found...)
	}
	return out, nil
}

// file looks at the begin of a file, whatever it is called.
func file(path string) ([]source, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fault{exitNoInput, fmt.Sprintf("%s: not a file; mail is read twice, so it cannot come through a pipe", path)}
	}
	head := make([]byte, 5)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, err
	}
	head = head[:n]
	for _, magic := range []string{"\x1f\x8b", "PK\x03\x04", "BZh", "\xfd7zXZ", "\x28\xb5\x2f\xfd"} {
		if bytes.HasPrefix(head, []byte(magic)) {
			return nil, fault{exitNoInput, fmt.Sprintf("%s: it is compressed; unpack it first", path)}
		}
	}
	box := string(head) == "From " || strings.EqualFold(filepath.Ext(path), ".mbox")
	return []source{{path, info.Size(), box}}, nil
}

// folder looks through a folder. Links are not followed: they go in circles.
func folder(root string) ([]source, error) {
	var out []source
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.IsDir() {
			// A Maildir delivers to tmp: what lies there is half written.
			if e.Name() == "tmp" && isMaildir(filepath.Dir(path)) {
				return filepath.SkipDir
			}
			return nil
		}
		in := filepath.Base(filepath.Dir(path))
		inMaildir := (in == "cur" || in == "new") && isMaildir(filepath.Dir(filepath.Dir(path)))
		ext := strings.ToLower(filepath.Ext(path))
		if !e.Type().IsRegular() || strings.HasPrefix(e.Name(), ".") || !inMaildir && ext != ".eml" && ext != ".mbox" {
			return nil
		}
		found, err := file(path)
		if inMaildir && len(found) > 0 {
			found[0].mbox = false // one mail, whatever stands in its first line
		}
		out = append(out, found...)
		return err
	})
	slices.SortFunc(out, func(a, b source) int { return strings.Compare(maildirName(a.path), maildirName(b.path)) })
	return out, err
}

// isMaildir wants the two folders that hold mail.
func isMaildir(path string) bool {
	for _, name := range []string{"cur", "new"} {
		if info, err := os.Stat(filepath.Join(path, name)); err != nil || !info.IsDir() {
			return false
		}
	}
	return true
}

// maildirName is a path without what changes when a mail is read or marked: the folder
// cur or new, and the flags. The order of mails must not change between two runs.
func maildirName(path string) string {
	dir, name := filepath.Split(path)
	if in := filepath.Base(dir); in == "cur" || in == "new" {
		dir = filepath.Dir(filepath.Clean(dir))
		name, _, _ = strings.Cut(name, ":2,")
	}
	return filepath.Join(dir, name)
}

// opened is a source that is read.
type opened struct {
	source
	f   *os.File
	box *mail.Mbox
}

func (s source) open() (*opened, error) {
	f, err := os.Open(s.path)
	if err != nil {
		return nil, err
	}
	return &opened{s, f, mail.NewMbox(f, s.size)}, nil
}

// each calls fn with the place of each mail.
func (o *opened) each(fn func(at mail.MboxMail) error) error {
	if !o.mbox {
		return fn(mail.MboxMail{End: o.size, Verbatim: true})
	}
	for {
		at, err := o.box.Next()
		if err == io.EOF {
			return nil
		}
		if err == nil {
			err = fn(at)
		}
		if err != nil {
			return err
		}
	}
}

// mail gives the octets of a mail.
func (o *opened) mail(at mail.MboxMail) io.Reader { return o.box.Open(at) }
