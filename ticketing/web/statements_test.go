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
