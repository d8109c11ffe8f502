package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"postdesk/ticketing/web"
)

// What a consumer's program finds in its environment, beside the event on its standard
// input. With them postdesk reply is safe to run again, and known as a program's.
const (
	programEnv = "POSTDESK_PROGRAM"
	keyEnv     = "POSTDESK_IDEMPOTENCY_KEY"
)

type consumeCmd struct {
	Name    string   `arg:"" help:"Of the consumer; the agent keeps its place under it."`
	Command []string `arg:"" passthrough:"" help:"Program and arguments, after --."`

	Queue   []string `placeholder:"KEY" help:"Only events of these queues."`
	Type    []string `placeholder:"TYPE" help:"Only events of these types, as message.received or message.*."`
	Actor   string   `placeholder:"WHO" enum:",program,human" default:"" help:"Only what a program did, or only what anybody else did."`
	Proven  bool     `help:"Only mail whose author is proven."`
	Import  bool     `name:"imported" help:"Events of imports too; they are left out else, since what was imported is answered long since."`
	From    string   `enum:"start,now" default:"start" help:"Where a new consumer begins: start of the feed, or now."`
	Workers int      `default:"1" help:"Events handled at the same time; those of one ticket keep their order."`
	Tries   int      `default:"5" help:"How often an event is tried before it becomes a dead letter."`
	Backoff string   `default:"1s" help:"Pause before the second try; it doubles each time."`
	Once    bool     `help:"End when there is nothing left to handle."`
	Dead    bool     `help:"Handle the dead letters again, and end."`
}

// Help is shown by: postdesk consume --help.
func (consumeCmd) Help() string {
	return "The program gets one JSON object on standard input: {event, ticket, message}. Exit 0 acknowledges it, anything else tries it again later, and after --tries it is a dead letter. " +
		"An event comes again when the program, this command or the agent ends in the middle; postdesk reply and postdesk note take their idempotency key from the environment, so that they act once."
}

// Run handles events until it is stopped.
func (cmd *consumeCmd) Run(a *app) error {
	pause, err := time.ParseDuration(cmd.Backoff)
	if err != nil || pause <= 0 || cmd.Workers < 1 || cmd.Tries < 1 {
		return fault{exitUsage, "--backoff wants a time as 1s; --workers and --tries want 1 or more"}
	}
	if len(cmd.Command) > 0 && cmd.Command[0] == "--" {
		cmd.Command = cmd.Command[1:]
	}
	if len(cmd.Command) == 0 {
		return fault{exitUsage, "name a program: postdesk consume NAME -- ./script"}
	}
	c, err := a.dial("")
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(a.ctx, syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	run := &consuming{cmd: cmd, app: a, client: c, pause: pause, path: "/api/v1/consumers/" + url.PathEscape(cmd.Name)}
	if err := run.begin(ctx); err != nil {
		return err
	}
	if cmd.Dead {
		return run.deadLetters(ctx)
	}
	return run.loop(ctx)
}

// consuming is a consumer at work.
type consuming struct {
	cmd    *consumeCmd
	app    *app
	client *client
	pause  time.Duration
	path   string
}

// begin makes the consumer, or sets the filter of one that is there.
func (r *consuming) begin(ctx context.Context) error {
	in := map[string]any{"queues": r.cmd.Queue, "types": r.cmd.Type, "actor": r.cmd.Actor, "proven": r.cmd.Proven, "imported": r.cmd.Import, "now": r.cmd.From == "now"}
	return r.insist(ctx, func() error { return r.client.do(ctx, http.MethodPut, r.path, nil, in, nil) })
}

// insist asks again while the agent is away: a consumer outlives its restarts.
func (r *consuming) insist(ctx context.Context, ask func() error) error {
	for said := false; ; said = true {
		err := ask()
		var f fault
		if err == nil || !errors.As(err, &f) || f.code != exitTemp {
			return err
		}
		if !said {
			fmt.Fprintf(r.app.stderr, "postdesk: %s; waiting for it\n", err)
		}
		if !sleep(ctx, time.Second) {
			return err
		}
	}
}

func sleep(ctx context.Context, t time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(t):
		return true
	}
}

// loop handles page after page, and acknowledges each when all of it is done.
func (r *consuming) loop(ctx context.Context) error {
	for {
		query := url.Values{"limit": {"100"}}
		if !r.cmd.Once {
			query.Set("wait", "30")
		}
		var page web.Deliveries
		err := r.insist(ctx, func() error { return r.client.get(ctx, r.path+"/events", query, &page) })
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		if err := r.handle(ctx, page); err != nil || ctx.Err() != nil {
			return err
		}
		if r.cmd.Once && len(page.Items) == 0 {
			return nil
		}
	}
}

// handle runs a page through the workers. What is acknowledged is always whole: all
// events before it are done.
func (r *consuming) handle(ctx context.Context, page web.Deliveries) error {
	ends := make([]chan error, len(page.Items))
	lanes := make([]chan int, r.cmd.Workers)
	var wg sync.WaitGroup
	defer wg.Wait()
	for i := range lanes {
		lanes[i] = make(chan int, len(page.Items))
		wg.Go(func() {
			for n := range lanes[i] {
				ends[n] <- r.one(ctx, page.Items[n])
			}
		})
	}
	for n, item := range page.Items {
		ends[n] = make(chan error, 1)
		lanes[lane(item, len(lanes))] <- n // one ticket, one lane: its order is kept
	}
	for _, l := range lanes {
		close(l)
	}
	for n, item := range page.Items {
		if err := <-ends[n]; err != nil {
			return err
		}
		if err := r.acknowledge(ctx, item.Event.Seq); err != nil {
			return err
		}
	}
	if page.Next == 0 || len(page.Items) > 0 && page.Next == page.Items[len(page.Items)-1].Event.Seq {
		return nil
	}
	return r.acknowledge(ctx, page.Next) // what the filter left out
}

func lane(item web.Delivery, n int) int {
	h := fnv.New32a()
	h.Write([]byte(item.Event.Name))
	return int(h.Sum32() % uint32(n))
}

func (r *consuming) acknowledge(ctx context.Context, seq int64) error {
	return r.insist(ctx, func() error {
		return r.client.do(ctx, http.MethodPost, r.path+"/acknowledge", nil, map[string]int64{"seq": seq}, nil)
	})
}

// one tries an event until the program has handled it, or buries it.
func (r *consuming) one(ctx context.Context, item web.Delivery) error {
	wait := r.pause
	for try := 1; ; try++ {
		err := r.program(ctx, item)
		if err == nil || ctx.Err() != nil {
			return ctx.Err()
		}
		fmt.Fprintf(r.app.stderr, "postdesk: event %d, try %d of %d: %s\n", item.Event.Seq, try, r.cmd.Tries, err)
		if try == r.cmd.Tries {
			letter := map[string]any{"seq": item.Event.Seq, "reason": err.Error(), "tries": try}
			return r.insist(ctx, func() error { return r.client.do(ctx, http.MethodPost, r.path+"/dead", nil, letter, nil) })
		}
		if !sleep(ctx, wait) {
			return ctx.Err()
		}
		wait = min(2*wait, 5*time.Minute)
	}
}

// program runs the program for one event.
func (r *consuming) program(ctx context.Context, item web.Delivery) error {
	data, err := json.Marshal(item)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, r.cmd.Command[0], r.cmd.Command[1:]...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	cmd.Stdin, cmd.Stdout = bytes.NewReader(append(data, '\n')), r.app.stdout
	var words bytes.Buffer
	cmd.Stderr = &words
	cmd.Env = append(os.Environ(), programEnv+"="+r.cmd.Name, keyEnv+"="+fmt.Sprintf("consumer:%s:%d", r.cmd.Name, item.Event.Seq),
		"POSTDESK_EVENT="+item.Event.Type, "POSTDESK_SEQ="+strconv.FormatInt(item.Event.Seq, 10), "POSTDESK_TICKET="+item.Event.Name)
	err = cmd.Run()
	r.app.stderr.Write(words.Bytes())
	if err != nil {
		return fmt.Errorf("%s: %w: %s", r.cmd.Command[0], err, printable(strings.TrimSpace(words.String())))
	}
	return nil
}

// deadLetters plays what could not be handled once more; what fails again stays.
func (r *consuming) deadLetters(ctx context.Context) error {
	left := 0
	for after := int64(0); ctx.Err() == nil; {
		var page web.Deliveries
		if err := r.client.get(ctx, r.path+"/dead", url.Values{"after": {strconv.FormatInt(after, 10)}}, &page); err != nil {
			return err
		}
		if len(page.Items) == 0 {
			break
		}
		for _, item := range page.Items {
			after = item.Event.Seq
			if err := r.program(ctx, item); err != nil {
				left++
				fmt.Fprintf(r.app.stderr, "postdesk: event %d stays a dead letter: %s\n", after, err)
				continue
			}
			if err := r.client.do(ctx, http.MethodDelete, r.path+"/dead/"+strconv.FormatInt(after, 10), nil, nil, nil); err != nil {
				return err
			}
		}
	}
	if left > 0 {
		return fault{exitFailure, fmt.Sprintf("%d events could not be handled", left)}
	}
	return nil
}
