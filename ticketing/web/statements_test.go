package web

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"postdesk/ticketing"
)

// A page of fifty costs the database as many statements as one of five: none is asked again for
// each row. The one exception is a mail in a list of messages: its bytes are read when its turn
// comes, so that not all of them are in memory.
func TestStatementsDoNotGrowWithRows(t *testing.T) {
	s := newSite(t)
	token := ticketing.Token{Name: "one", Scope: ticketing.ScopeRead, Queues: []string{"SUPPORT"}}
	_, secret, err := s.desk.CreateToken(t.Context(), ticketing.Actor{}, token)
	if err != nil {
		t.Fatal(err)
	}
	write, rows := s.token(ticketing.ScopeWrite, false), 0
	grow := func(to int) {
		for ; rows < to; rows++ {
			if err := s.deliver(rows); err != nil {
				t.Fatal(err)
			}
			if rows == 0 {
				s.settled()
			}
			res := s.call(s.tcp.URL, "POST", "/api/v1/tickets/SUPPORT-7102/replies", write, `{"text":"x","attachments":[{"name":"a.txt","content":"aGk="}]}`, nil)
			if res.StatusCode != 201 {
				t.Fatal(res.Status)
			}
		}
		s.settled()
	}
	few, many := map[string]int64{}, map[string]int64{}
	paths := map[string]string{ // to what counts rows in the answer
		"tickets": `"requester"`, "tickets?held=true": `"requester"`, "held": `"advice"`, "search?q=help": `"kind"`, "events?limit=1000": `"type"`,
		"outgoing": `"recipient"`, "tickets/SUPPORT-7102": "", "tickets/SUPPORT-7102/messages": `"a.txt"`, "tickets/SUPPORT-7102/events": `"type"`,
	}
	for _, c := range []struct {
		rows int
		into map[string]int64
	}{{5, few}, {50, many}} {
		grow(c.rows)
		for path, each := range paths {
			least := 0
			if each != "" && !strings.Contains(path, "held") {
				least = c.rows
			}
			c.into[path] = s.statements(path, secret, each, least)
		}
	}
	for path, n := range many {
		if n > few[path]+10 {
			t.Errorf("%s: %d statements for 50 rows, %d for 5", path, n, few[path])
		}
	}
}

// statements gives how many a request runs. What the desk does beside it adds to that now and
// then, so that the least of some is told.
func (s *site) statements(path, secret, each string, rows int) (least int64) {
	s.t.Helper()
	for try := range 10 {
		s.until(fmt.Sprintf("%s has %d rows", path, rows), func() bool {
			before := s.db.Stats().Read
			var answer json.RawMessage
			s.call(s.tcp.URL, "GET", "/api/v1/"+path, secret, "", &answer)
			n := s.db.Stats().Read - before
			full := rows == 0 || strings.Count(string(answer), each) >= rows
			if full && (try == 0 || n < least) {
				least = n
			}
			return full
		})
	}
	return least
}

// Who asks for one message, one event with its message, or a ticket, has not all of the ticket read.
func TestOneMessageReadsNoOther(t *testing.T) {
	s := newSite(t)
	write, admin := s.token(ticketing.ScopeWrite, false), s.token(ticketing.ScopeAdmin, false)
	s.mail(0)
	if res := s.call(s.tcp.URL, "PUT", "/api/v1/consumers/x", admin, `{}`, nil); res.StatusCode/100 != 2 {
		t.Fatal(res.Status)
	}
	rows := func(path string) (least int64) {
		last, err := s.desk.LastSeq(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		path = strings.Replace(path, "LAST", fmt.Sprint(last-1), 1)
		for try := range 10 {
			before := s.db.Stats().Rows
			if res := s.call(s.tcp.URL, "GET", "/api/v1/"+path, admin, "", nil); res.StatusCode != 200 {
				t.Fatal(path, res.Status)
			}
			if n := s.db.Stats().Rows - before; try == 0 || n < least {
				least = n
			}
		}
		return least
	}
	paths := []string{"messages/1", "messages/1/raw", "consumers/x/events?after=LAST", "tickets/SUPPORT-7102"}
	few := map[string]int64{}
	for _, path := range paths {
		few[path] = rows(path)
	}
	const replies = 160
	for range replies {
		if res := s.call(s.tcp.URL, "POST", "/api/v1/tickets/SUPPORT-7102/replies", write, `{"text":"x"}`, nil); res.StatusCode != 201 {
			t.Fatal(res.Status)
		}
	}
	s.until("the mail of all replies is made", func() bool {
		out, err := s.desk.Outgoing(t.Context(), nil, 0, 1000)
		return err == nil && len(out) >= replies
	})
	for _, path := range paths {
		most := few[path] + 10
		if strings.HasPrefix(path, "tickets") {
			most += 100 // its newest that are shown, for what the requester has put into Cc
		}
		if n := rows(path); n > most {
			t.Errorf("%s: %d rows in a ticket of 161 messages, %d in one of 1", path, n, few[path])
		}
	}
}
