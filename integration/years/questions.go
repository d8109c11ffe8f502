package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"postdesk/ticketing"
	"postdesk/ticketing/web"
)

// question is what somebody asks of a desk; a limit of its time is for p99 on the desk.
type question struct {
	name  string
	limit time.Duration
	ask   func(*sample) (answers int, err error)
	path  func(*sample) string // of the API
}

// sample draws what is asked for.
type sample struct {
	*desk
	ctx     context.Context
	random  *rand.Rand
	size    size
	tickets []ticketing.Ticket // some of all ages
	ids     []string           // Message-IDs of them
}

func (s *sample) ticket() ticketing.Ticket { return s.tickets[s.random.IntN(len(s.tickets))] }

// newSample looks for tickets of all ages.
func newSample(ctx context.Context, d *desk, z size) (*sample, error) {
	s := &sample{desk: d, ctx: ctx, size: z, random: rand.New(rand.NewPCG(5, 5))}
	return s, d.db.Read(ctx, func(tx ticketing.Tx) error {
		for range 500 {
			t, err := tx.Ticket(1 + s.random.Int64N(int64(z.tickets)))
			if err != nil {
				return err
			}
			messages, err := tx.Messages(t.ID)
			if err != nil {
				return err
			}
			s.tickets, s.ids = append(s.tickets, t), append(s.ids, messages[0].MessageID)
		}
		return nil
	})
}

func lists(name string, make func(s *sample) (ticketing.TicketQuery, string)) question {
	return question{"list " + name, time.Millisecond, func(s *sample) (int, error) {
		q, _ := make(s)
		q.Limit = 50
		found, err := s.Tickets(s.ctx, q)
		return len(found), err
	}, func(s *sample) string {
		_, query := make(s)
		return "/tickets?limit=50&" + query
	}}
}

func heldMessages(name string, by ticketing.Actor, path string) question {
	return question{name, time.Millisecond, func(s *sample) (int, error) {
		found, err := s.Held(s.ctx, by, 0, 50)
		return len(found), err
	}, func(*sample) string { return path }}
}

func searches(name, text string, by ticketing.Actor) question {
	return question{"search " + name, 10 * time.Millisecond, func(s *sample) (int, error) {
		found, _, err := s.Search(s.ctx, by, text, 0, 50)
		return len(found), err
	}, func(*sample) string { return "/search?limit=50&q=" + url.QueryEscape(text) }}
}

func allQuestions() []question {
	type query = ticketing.TicketQuery
	all := []question{
		lists("all", func(*sample) (query, string) { return query{}, "" }),
		lists("of a queue", func(*sample) (query, string) { return query{Queue: "SUPPORT"}, "queue=SUPPORT" }),
		lists("of a rare queue", func(*sample) (query, string) { return query{Queue: "LEGAL"}, "queue=LEGAL" }),
		lists("new, open", func(*sample) (query, string) {
			return query{Statuses: []ticketing.Status{"new", "open"}}, "status=new,open"
		}),
		lists("closed", func(*sample) (query, string) { return query{Statuses: []ticketing.Status{"closed"}}, "status=closed" }),
		lists("rejected of a rare queue", func(*sample) (query, string) {
			return query{Queue: "LEGAL", Statuses: []ticketing.Status{"rejected"}}, "queue=LEGAL&status=rejected"
		}),
		lists("held", func(*sample) (query, string) { return query{Held: true}, "held=true" }),
		lists("held of a rare queue", func(*sample) (query, string) { return query{Held: true, Queue: "LEGAL"}, "held=true&queue=LEGAL" }),
		lists("for a token of rare queues", func(*sample) (query, string) { return query{Queues: []string{"JOBS", "LEGAL"}}, "queue=JOBS" }),
		lists("held, for such a token", func(*sample) (query, string) {
			return query{Held: true, Queues: []string{"JOBS", "LEGAL"}}, "held=true"
		}),
		lists("from the middle on", func(s *sample) (query, string) {
			t := s.ticket()
			return query{BeforeUpdated: t.Updated, BeforeID: t.ID}, ""
		}),
		lists("by alias", func(s *sample) (query, string) {
			alias := fmt.Sprint("#", 97*s.random.IntN(1+s.size.tickets/97))
			return query{Alias: alias}, "alias=" + url.QueryEscape(alias)
		}),
		lists("by reference", func(s *sample) (query, string) {
			ref := fmt.Sprint("github:o/r#", 89*s.random.IntN(1+s.size.tickets/89))
			return query{Ref: ref}, "ref=" + url.QueryEscape(ref)
		}),
		lists("by Message-ID", func(s *sample) (query, string) {
			id := s.ids[s.random.IntN(len(s.ids))]
			return query{MessageID: id}, "message_id=" + url.QueryEscape(id)
		}),
		{"ticket with its messages", time.Millisecond, func(s *sample) (int, error) {
			c, err := s.Desk.TicketPage(s.ctx, s.ticket().Name(), 0, 500)
			return len(c.Messages), err
		}, func(s *sample) string { return "/tickets/" + s.ticket().Name() + "/messages" }},
		heldMessages("held messages", ticketing.Actor{}, "/held?limit=50"),
		heldMessages("held messages of rare queues", ticketing.Actor{Queues: []string{"JOBS", "LEGAL"}}, ""),
		{"metrics", 10 * time.Millisecond, func(s *sample) (int, error) {
			_, err := s.HeldCount(s.ctx)
			_, err2 := s.Backlog(s.ctx)
			return 1, errors.Join(err, err2)
		}, func(*sample) string { return "" }},
	}
	everybody, few := ticketing.Actor{}, ticketing.Actor{Queues: []string{"JOBS", "LEGAL"}}
	return append(all, searches("a rare word", rareWord, everybody), searches("a common word", commonWord, everybody), searches("a phrase", `"`+phraseA+" "+phraseB+`"`, everybody),
		searches("two words", "printer invoice", everybody), searches("two that never meet", earlyWord+" "+lateWord, everybody), searches("a beginning", "prin*", everybody),
		searches("a beginning of many", "ban*", everybody), searches("words, not another", "printer -"+commonWord, everybody), searches("no such word", "zzzzzz", everybody),
		searches("an author", "from:customer7.example "+commonWord, everybody), searches("a common word, rare queue", commonWord, few), searches("a common word, rejected", commonWord+" status:rejected", everybody),
		searches("a common word, new or open", commonWord+" status:new,open", everybody), searches("a common word, spam", commonWord+" status:spam", everybody), searches("a rare word, rejected", rareWord+" status:rejected", everybody))
}

// asked are those of the options.
func asked(o options) []question {
	return slices.DeleteFunc(allQuestions(), func(q question) bool { return !strings.Contains(q.name, o.only) })
}

// questions asks both desks everything, at the desk and over HTTP.
func questions(ctx context.Context, out io.Writer, full, none string, made size, o options) error {
	var columns [2][]line
	for i, dir := range []string{full, none} {
		z := made
		if i == 1 {
			z = size{10, 30}
		}
		var err error
		if columns[i], err = askAll(ctx, dir, z, o); err != nil {
			return err
		}
	}
	fmt.Fprintf(out, "\n%-34s %7s %19s %19s %19s %19s\n", "", "answers", "all, CPU ms", "all, ms", "none, ms", "all by HTTP, ms")
	for i, q := range asked(o) {
		a, b := columns[0][i], columns[1][i]
		over := ""
		if a.cpu.p99 > q.limit {
			over = fmt.Sprintf("  over %s", q.limit)
		}
		fmt.Fprintf(out, "%-34s %7d %19s %19s %19s %19s%s\n", q.name, a.answers, a.cpu, a.desk, b.desk, a.http, over)
	}
	return nil
}

// String has the median and the 99th percentile.
func (p percentiles) String() string {
	return fmt.Sprintf("%9.3f %9.3f", p.p50.Seconds()*1e3, p.p99.Seconds()*1e3)
}

// line is what one question has taken. cpu is of the one who asks, whatever others do on
// the machine meanwhile.
type line struct {
	answers         int
	cpu, desk, http percentiles
}

type percentiles struct{ p50, p99 time.Duration }

func askAll(ctx context.Context, dir string, z size, o options) (lines []line, err error) {
	d, err := openDesk(ctx, dir, "OFF")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	if err := d.indexed(ctx); err != nil {
		return nil, err
	}
	s, err := newSample(ctx, d, z)
	if err != nil {
		return nil, err
	}
	api := httptest.NewServer(web.New(web.Config{Desk: d.Desk}).ControlHandler())
	defer api.Close()
	for _, q := range asked(o) {
		l := line{}
		l.desk, l.cpu, err = times(o.asks, func() error {
			n, err := q.ask(s)
			l.answers = max(l.answers, n)
			return err
		})
		if err == nil && q.path(s) != "" {
			l.http, _, err = times(max(o.asks/5, 1), func() error { return get(api.URL + "/api/v1" + q.path(s)) })
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", q.name, err)
		}
		lines = append(lines, l)
	}
	return lines, nil
}

// enough bounds the time of one question: what is slow is asked less often.
const enough = 5 * time.Second

// times asks again and again; what is asked first warms up and does not count.
func times(n int, ask func() error) (wall, cpu percentiles, err error) {
	runtime.LockOSThread() // whose time is measured
	defer runtime.UnlockOSThread()
	var all, own []time.Duration
	started := time.Now()
	for i := range n + n/10 {
		if len(all) > 0 && time.Since(started) > enough {
			break
		}
		begun, before := time.Now(), threadTime()
		if err := ask(); err != nil {
			return wall, cpu, err
		}
		if i >= n/10 {
			all, own = append(all, time.Since(begun)), append(own, threadTime()-before)
		}
	}
	return percentilesOf(all), percentilesOf(own), nil
}

func threadTime() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		return 0
	}
	return time.Duration(t.Nano())
}

func percentilesOf(all []time.Duration) percentiles {
	slices.Sort(all)
	return percentiles{all[len(all)/2], all[len(all)*99/100]}
}

func get(address string) error {
	res, err := http.Get(address)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", address, res.Status)
	}
	var any json.RawMessage
	return json.NewDecoder(res.Body).Decode(&any)
}
