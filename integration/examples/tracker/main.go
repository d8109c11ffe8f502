// Command tracker ties tickets to the issues of a tracker that speaks GitHub's API for
// issues, or Redmine's. A ticket with the tag "bug" gets an issue; when the issue is closed, the
// customer is told by mail and the ticket is resolved. It imports nothing of postdesk: the
// HTTP API is all that it knows.
//
//	export POSTDESK_URL=http://127.0.0.1:8025
//	export POSTDESK_TOKEN=$(postdesk token add --name tracker --scope read,consume,reply,change --program)
//	export TRACKER_URL=https://api.github.com/repos/OWNER/REPO TRACKER_TOKEN=…
//	tracker --every 30s
//
// For Redmine the first of the last two lines is
//
//	export TRACKER_KIND=redmine TRACKER_URL=https://HOST/projects/NAME TRACKER_TOKEN=…
//
// It keeps nothing itself, and may be killed at any moment. Its place in the event feed is
// the agent's; that a ticket has an issue is a mark of the issue, looked up before one is
// made, and a reference of the ticket, for people; that a customer is to be told is another
// mark, taken off when it was done; and the answer has an Idempotency-Key. A tracker is a
// file: github.go, redmine.go. Run one of it for a project: two would both find
// no issue. Subjects are a customer's words: think before the tracker is a public one.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"slices"
	"sync"
	"syscall"
	"time"
)

// waits marks an issue whose customer waits for the mail that says that it is closed.
const waits = "customer-waits"

const closedText = "The problem that you wrote about is solved. If you still see it, answer this mail."

func main() {
	tag := flag.String("tag", "bug", "tickets with this tag get an issue")
	every := flag.Duration("every", 30*time.Second, "how often the tracker is asked for closed issues")
	once := flag.Bool("once", false, "end when there is nothing left to do")
	flag.Parse()
	b := &bridge{tag: *tag, every: *every,
		desk:    bearer(os.Getenv("POSTDESK_URL")+"/api/v1", os.Getenv("POSTDESK_TOKEN")),
		tracker: newTracker(os.Getenv("TRACKER_KIND"), os.Getenv("TRACKER_URL"), os.Getenv("TRACKER_TOKEN"))}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if *once {
		if err := errors.Join(b.openIssues(ctx, true), b.tellCustomers(ctx)); err != nil {
			log.Fatal(err)
		}
		return
	}
	var both sync.WaitGroup
	both.Go(func() { b.insist(ctx, func(ctx context.Context) error { return b.openIssues(ctx, false) }) })
	both.Go(func() {
		b.insist(ctx, func(ctx context.Context) error {
			defer sleep(ctx, b.every)
			return b.tellCustomers(ctx)
		})
	})
	both.Wait()
}

type bridge struct {
	tag     string
	every   time.Duration
	desk    remote
	tracker tracker
}

// tracker is what the bridge needs of one. What was made is found at once.
type tracker interface {
	find(ctx context.Context, ticket string) ([]issue, error)
	create(ctx context.Context, t ticket) (issue, error)
	closed(ctx context.Context) ([]issue, error) // those whose customers wait
	told(ctx context.Context, i issue) error     // this one's waits no more
}

func newTracker(kind, address, token string) tracker {
	switch kind {
	case "", "github":
		return github{bearer(address, token)}
	case "redmine":
		return newRedmine(address, token)
	}
	log.Fatalf("TRACKER_KIND is %q: neither github nor redmine", kind)
	return nil
}

// insist does a step again and again. After a fault it waits: the desk or the tracker is
// away, and everything is still there when it is back.
func (b *bridge) insist(ctx context.Context, step func(context.Context) error) {
	for ctx.Err() == nil {
		if err := step(ctx); err != nil && ctx.Err() == nil {
			log.Printf("trying again in %s: %v", b.every, err)
			sleep(ctx, b.every)
		}
	}
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

type ticket struct {
	Name    string   `json:"name"`
	Subject string   `json:"subject"`
	Tags    []string `json:"tags"`
}

type issue struct {
	number   int
	url      string
	closedAt string
	tickets  []string // more than one when people say so
	text     string
}

// openIssues waits for events of the desk and makes the issues that they call for; once
// there are no more events it ends, if it is told to.
func (b *bridge) openIssues(ctx context.Context, once bool) error {
	const consumer = "/consumers/tracker"
	if err := b.desk.call(ctx, "PUT", consumer, "", map[string]any{"types": []string{"ticket.updated"}}, nil); err != nil {
		return err
	}
	wait := "30"
	if once {
		wait = "0"
	}
	for {
		var page struct {
			Items []struct {
				Event  struct{ Seq int64 }
				Ticket *ticket
			}
			Next int64
		}
		if err := b.desk.call(ctx, "GET", consumer+"/events?wait="+wait, "", nil, &page); err != nil {
			return err
		}
		for _, item := range page.Items {
			if item.Ticket != nil && slices.Contains(item.Ticket.Tags, b.tag) {
				if err := b.openIssue(ctx, *item.Ticket); err != nil {
					return err
				}
			}
		}
		if once && len(page.Items) == 0 {
			return nil
		}
		if page.Next > 0 { // all of the page is done
			if err := b.desk.call(ctx, "POST", consumer+"/acknowledge", "", map[string]int64{"seq": page.Next}, nil); err != nil {
				return err
			}
		}
	}
}

// openIssue makes the issue of a ticket, unless there is one.
func (b *bridge) openIssue(ctx context.Context, t ticket) error {
	there, err := b.tracker.find(ctx, t.Name)
	if err != nil {
		return err
	}
	if len(there) == 0 {
		made, err := b.tracker.create(ctx, t)
		if err != nil {
			return err
		}
		log.Printf("%s is issue %d", t.Name, made.number)
		there = append(there, made)
	}
	return b.desk.call(ctx, "POST", "/tickets/"+t.Name+"/references", "", map[string]string{"reference": "issue:" + there[0].url}, nil)
}

// tellCustomers looks once for closed issues whose customers wait.
func (b *bridge) tellCustomers(ctx context.Context) error {
	closed, err := b.tracker.closed(ctx)
	if err != nil {
		return err
	}
	for _, i := range closed {
		if err := b.tell(ctx, i); err != nil {
			log.Printf("the customer of issue %d: %v", i.number, err) // the others are told all the same
		}
	}
	return nil
}

func (b *bridge) tell(ctx context.Context, i issue) error {
	for _, name := range i.tickets {
		// The same key, the same answer: however often this is asked, one mail goes out.
		key := fmt.Sprintf("issue %d closed %s", i.number, i.closedAt)
		err := b.desk.call(ctx, "POST", "/tickets/"+name+"/replies", key, map[string]string{"text": closedText, "status": "resolved"}, nil)
		if err != nil {
			return err
		}
		log.Printf("the customer of %s was told", name)
	}
	return b.tracker.told(ctx, i)
}
