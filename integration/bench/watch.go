package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/mail"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"postdesk/integration/lab"
)

// arrival is something that became visible: a ticket of the desk, a file in the mailbox.
type arrival struct {
	name string
	at   time.Time
}

// gather takes n arrivals.
func gather(ctx context.Context, arrivals <-chan arrival, n int) (all []arrival, err error) {
	for len(all) < n {
		select {
		case a := <-arrivals:
			all = append(all, a)
		case <-ctx.Done():
			return nil, fmt.Errorf("%d of %d mails became visible", len(all), n)
		}
	}
	return all, nil
}

// deskWatch follows the event stream of a desk.
type deskWatch struct {
	api      *lab.Client
	arrivals chan arrival
}

func watchDesk(ctx context.Context, a *lab.Agent) (*deskWatch, error) {
	api, err := a.Client(ctx, "bench", "write")
	if err != nil {
		return nil, err
	}
	w := &deskWatch{api, make(chan arrival, 1<<16)}
	go func() {
		_ = api.Follow(ctx, "", func(_ string, e lab.Event) bool {
			if e.Type == "ticket.created" {
				w.arrivals <- arrival{e.Ticket, time.Now()}
			}
			return true
		})
	}()
	return w, nil
}

func (w *deskWatch) seen(ctx context.Context, n int) (map[string]time.Time, error) {
	all, err := gather(ctx, w.arrivals, n)
	if err != nil {
		return nil, err
	}
	at := map[string]time.Time{}
	for _, t := range all {
		messages, err := w.api.Messages(ctx, t.name)
		if err != nil {
			return nil, err
		}
		at[strings.Trim(messages[0].MessageID, "<>")] = t.at
	}
	return at, nil
}

// maildirWatch is told by the kernel of the files in the mailbox (inotify(7)).
type maildirWatch struct {
	folder   string
	file     *os.File
	arrivals chan arrival
}

func watchMaildir(ctx context.Context, l *lab.Lab) (*maildirWatch, error) {
	w := &maildirWatch{folder: filepath.Join(l.Dir, "dovecot", "mail", "customer", "mail", "new"), arrivals: make(chan arrival, 1<<16)}
	// The mailbox is made by its first mail.
	first := lab.Letter{From: "jane@" + lab.UnsignedDomain, To: "customer@" + mailboxDomain, Subject: "first"}
	if err := l.Write(ctx, first); err != nil {
		return nil, err
	}
	err := lab.Until(ctx, "the mailbox", func() (bool, error) {
		files, err := filepath.Glob(filepath.Join(w.folder, "*"))
		return len(files) == 1, err
	})
	if err != nil {
		return nil, err
	}
	fd, err := syscall.InotifyInit1(syscall.IN_CLOEXEC | syscall.IN_NONBLOCK)
	if err != nil {
		return nil, err
	}
	w.file = os.NewFile(uintptr(fd), "inotify")
	if _, err := syscall.InotifyAddWatch(fd, w.folder, syscall.IN_MOVED_TO|syscall.IN_CREATE); err != nil {
		return nil, errors.Join(err, w.file.Close())
	}
	go w.read()
	return w, nil
}

func (w *maildirWatch) close() { _ = w.file.Close() }

func (w *maildirWatch) read() {
	buf := make([]byte, 1<<16)
	for {
		n, err := w.file.Read(buf)
		if err != nil {
			return
		}
		now := time.Now()
		for rest := buf[:n]; len(rest) >= syscall.SizeofInotifyEvent; {
			e := (*syscall.InotifyEvent)(unsafe.Pointer(&rest[0]))
			end := syscall.SizeofInotifyEvent + int(e.Len)
			w.arrivals <- arrival{strings.TrimRight(string(rest[syscall.SizeofInotifyEvent:end]), "\x00"), now}
			rest = rest[end:]
		}
	}
}

func (w *maildirWatch) seen(ctx context.Context, n int) (map[string]time.Time, error) {
	all, err := gather(ctx, w.arrivals, n)
	if err != nil {
		return nil, err
	}
	at := map[string]time.Time{}
	for _, file := range all {
		path := filepath.Join(w.folder, file.name)
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		m, err := mail.ReadMessage(bufio.NewReader(f))
		if err := errors.Join(err, f.Close(), os.Remove(path)); err != nil {
			return nil, fmt.Errorf("%s: %w", strconv.Quote(file.name), err)
		}
		at[strings.Trim(m.Header.Get("Message-ID"), "<>")] = file.at
	}
	return at, nil
}
