// Package outside is the outside world of a lab for people who try it by hand: what a
// customer's mail program needs to write to the desk and to answer, shared between
// processes by a folder.
package outside

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/mail"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"postdesk/integration/lab"
)

// Customer is who writes when nobody else is named.
const Customer = "jane@" + lab.SignedDomain

// World is a running lab as other processes see it.
type World struct {
	Domain string // the desk's
	MXPort int
	Key    []byte // of lab.SignedDomain

	folder string
}

const worldFile = "world.json"

// Open writes what others need of a lab into a folder, over what a former lab left.
func Open(folder string, l *lab.Lab) (*World, error) {
	key, err := l.Keys.Export(lab.SignedDomain)
	if err != nil {
		return nil, err
	}
	w := &World{Domain: l.Domain, MXPort: l.MXPort, Key: key, folder: folder}
	data, err := json.Marshal(w)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(os.RemoveAll(w.mails()), os.MkdirAll(w.mails(), 0o700)); err != nil {
		return nil, err
	}
	return w, os.WriteFile(filepath.Join(folder, worldFile), data, 0o600)
}

// Find gives the world that another process opened in a folder.
func Find(folder string) (*World, error) {
	data, err := os.ReadFile(filepath.Join(folder, worldFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("no lab runs here (there is no %s): start one with make run", filepath.Join(folder, worldFile))
	}
	if err != nil {
		return nil, err
	}
	w := &World{folder: folder}
	return w, json.Unmarshal(data, w)
}

// Close makes Find fail.
func (w *World) Close() error { return os.Remove(filepath.Join(w.folder, worldFile)) }

func (w *World) mails() string { return filepath.Join(w.folder, "mails") }

// Keep saves a mail that came out of the desk, and gives its path.
func (w *World) Keep(n int, m lab.Mail) (string, error) {
	path := filepath.Join(w.mails(), fmt.Sprintf("%04d.eml", n))
	// Written aside and renamed: a reader never sees half a mail.
	return path, errors.Join(os.WriteFile(path+".new", m.Data, 0o600), os.Rename(path+".new", path))
}

// Write sends a letter to the desk, signed when its author's domain signs.
func (w *World) Write(ctx context.Context, m lab.Letter) error {
	keys, err := lab.ImportSigner(lab.SignedDomain, w.Key)
	if err != nil {
		return err
	}
	return (&lab.Lab{Domain: w.Domain, MXPort: w.MXPort, Keys: keys}).Write(ctx, m)
}

// New is a first letter of somebody to the desk.
func (w *World) New(from, subject, body string) lab.Letter {
	return lab.Letter{From: from, To: "new@" + w.Domain, Subject: subject, Body: body, MessageID: messageID(from)}
}

// Answer is the customer's answer to the newest mail of the desk that came out, of one
// ticket when it is named.
func (w *World) Answer(ticket, body string) (lab.Letter, error) {
	paths, err := filepath.Glob(filepath.Join(w.mails(), "*.eml"))
	if err != nil {
		return lab.Letter{}, err
	}
	for _, path := range slices.Backward(paths) {
		data, err := os.ReadFile(path)
		if err != nil {
			return lab.Letter{}, err
		}
		m := lab.Mail{Data: data}
		if m.Header("List-Id") != "" {
			continue // it tells staff of a ticket, and is no answer to a customer
		}
		if ticket == "" || strings.Contains(strings.ToUpper(m.Header("From")), strings.ToUpper(ticket)+"@") {
			return AnswerTo(m, body)
		}
	}
	return lab.Letter{}, fmt.Errorf("there is no mail of the desk to answer; reply to a ticket first")
}

// AnswerTo is what a mail program makes of its user's answer to a mail.
func AnswerTo(m lab.Mail, body string) (lab.Letter, error) {
	to, err := mail.ParseAddress(m.Header("Reply-To"))
	if err != nil {
		return lab.Letter{}, fmt.Errorf("the mail's Reply-To: %w", err)
	}
	from, err := mail.ParseAddress(m.Header("To"))
	if err != nil {
		return lab.Letter{}, fmt.Errorf("the mail's To: %w", err)
	}
	return lab.Letter{From: from.Address, Name: from.Name, To: to.Address, Subject: m.Header("Subject"), Body: body,
		MessageID: messageID(from.Address), InReplyTo: strings.Trim(m.Header("Message-ID"), "<> ")}, nil
}

func messageID(from string) string {
	return fmt.Sprintf("%d@%s", time.Now().UnixNano(), from[strings.LastIndexByte(from, '@')+1:])
}
