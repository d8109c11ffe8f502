package world

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"strings"
	"sync"
	"time"
)

// mood is how the submission server behaves until it is told otherwise.
type mood int

const (
	takes       mood = iota
	down             // nobody listens
	later            // 451 at the end of data
	never            // 550 at the end of data
	laterTo          // 450 for the recipient
	neverTo          // 550 5.1.1 for the recipient
	resetTaken       // takes the mail, and the connection ends before it says so
	resetUntold      // the connection ends, and it has not taken the mail
	hangsTaken       // takes the mail and never says so
	hangs            // never answers MAIL
	slow             // takes the mail after most of the time that it has
	moods
)

const (
	commandTime = time.Minute      // of the client
	slowTime    = 50 * time.Second // of the slow server
)

// accepted is a mail that the server took.
type accepted struct {
	id, from, to string
	data         string
	at           time.Time
	cut          time.Time // when the connection ended by which it came, if that was before
}

// server is the submission server, and stands for the world behind it.
type server struct {
	mu     sync.Mutex
	mood   mood
	mails  []accepted
	doubts map[string]int                   // Message-ID: attempts of which the client cannot know how they ended
	conns  map[net.Conn]time.Time           // with the time when it was cut
	tell   func(format string, args ...any) // what it does
}

func newServer(tell func(string, ...any)) *server {
	return &server{doubts: map[string]int{}, conns: map[net.Conn]time.Time{}, tell: tell}
}

func (s *server) become(m mood) {
	s.mu.Lock()
	s.mood = m
	s.mu.Unlock()
	if m == down {
		s.cut()
	}
}

func (s *server) now() mood { s.mu.Lock(); defer s.mu.Unlock(); return s.mood }

func (s *server) all() []accepted {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]accepted(nil), s.mails...)
}

func (s *server) doubt(id string) {
	s.tell("nobody knows how %s ended", id)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.doubts[id]++
}

func (s *server) dial(context.Context, string, string) (net.Conn, error) {
	if s.now() == down {
		return nil, errors.New("connection refused")
	}
	client, end := net.Pipe()
	s.mu.Lock()
	s.conns[end] = time.Time{}
	s.mu.Unlock()
	go s.serve(end)
	return client, nil
}

// cut ends all connections, as the end of the client does.
func (s *server) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c, before := range s.conns {
		_ = c.Close()
		if before.IsZero() {
			s.conns[c] = time.Now()
		}
	}
}

func (s *server) serve(c net.Conn) {
	defer func() {
		_ = c.Close()
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.conns, c)
	}()
	say := func(line string) bool { _, err := io.WriteString(c, line+"\r\n"); return err == nil }
	r := bufio.NewReader(c)
	var from, to string
	for ok := say("220 mx ESMTP"); ok; {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		verb, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		m := s.now()
		switch strings.ToUpper(verb) {
		case "EHLO":
			ok = say("250-mx\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-SIZE\r\n250-ENHANCEDSTATUSCODES\r\n250 DSN")
		case "MAIL":
			if m == hangs {
				_, _ = io.Copy(io.Discard, c)
				return
			}
			from = path(rest)
			ok = say("250 2.1.0 Ok")
		case "RCPT":
			to = path(rest)
			ok = say(map[mood]string{laterTo: "450 4.2.0 later", neverTo: "550 5.1.1 nobody"}[m] + map[bool]string{true: "250 2.1.5 Ok"}[m != laterTo && m != neverTo])
		case "DATA":
			var data string
			if say("354 go on") {
				data, err = body(r)
			}
			ok = err == nil && s.end(c, say, accepted{from: from, to: to, data: data})
		case "QUIT":
			say("221 2.0.0 Bye")
			return
		default: // RSET, NOOP
			ok = say("250 2.0.0 Ok")
		}
	}
}

var pathIn = regexp.MustCompile(`<([^>]*)>`)

func path(s string) string { return pathIn.FindStringSubmatch(s + "<>")[1] }

// body reads a mail to its dot (RFC 5321 section 4.5.2).
func body(r *bufio.Reader) (string, error) {
	var b strings.Builder
	for {
		line, err := r.ReadString('\n')
		if err != nil || line == ".\r\n" {
			return b.String(), err
		}
		b.WriteString(strings.TrimPrefix(line, "."))
	}
}

var messageID = regexp.MustCompile(`(?im)^Message-ID:\s*<([^>]+)>`)

// end answers the dot as the server's mood is, and says whether the connection goes on.
func (s *server) end(c net.Conn, say func(string) bool, a accepted) bool {
	a.id = append(messageID.FindStringSubmatch(a.data), "", "")[1]
	take := func() int {
		s.tell("the server takes %s for %s", a.id, a.to)
		s.mu.Lock()
		defer s.mu.Unlock()
		a.at, a.cut = time.Now(), s.conns[c]
		s.mails = append(s.mails, a)
		return len(s.mails)
	}
	switch s.now() {
	case later:
		return say("451 4.3.0 later")
	case never:
		return say("550 5.6.0 never")
	case resetTaken:
		take()
		s.doubt(a.id)
		return false
	case resetUntold:
		s.doubt(a.id)
		return false
	case hangsTaken:
		take()
		s.doubt(a.id)
		_, _ = io.Copy(io.Discard, c)
		return false
	case slow:
		time.Sleep(slowTime)
	}
	if say(fmt.Sprintf("250 2.0.0 Ok: queued as Q%d", take())) {
		return true
	}
	s.doubt(a.id) // who asked has gone meanwhile
	return false
}
