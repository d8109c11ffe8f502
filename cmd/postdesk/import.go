package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os/signal"
	"syscall"
	"time"

	"postdesk/ticketing"
	"postdesk/ticketing/web"
)

type importCmd struct {
	Queue  string   `required:"" placeholder:"KEY" help:"Queue whose history it becomes."`
	Status string   `default:"closed" enum:"closed,resolved,open" help:"Of the tickets: closed, resolved or open (${default})."`
	Ours   []string `sep:"," placeholder:"ADDRESS|DOMAIN" help:"The desk's own side, beside the addresses of its queues: mail from there is an answer of ours."`
	Alias  []string `sep:"none" placeholder:"REGEXP" help:"Pattern of old ticket numbers in subjects, its first group the number; in place of [#1234], [Ticket 1234] and their like."`
	Path   []string `arg:"" help:"mbox files, Maildirs, .eml files, or folders of these."`
}

// Help is what kong prints below the usage.
func (cmd *importCmd) Help() string {
	return `Brings a history in as tickets, and sends nothing. Mails are sorted into threads first, so
the files are read twice. What was interrupted goes on where it was when it is run again, and
files that have grown since add what is new.`
}

// The bounds of a batch, which is one commit.
const (
	batchMails  = 200
	batchOctets = 4 << 20
)

// Run sorts all mails into threads, and adds those that are not there yet, in order.
func (cmd *importCmd) Run(a *app) error {
	ctx, stop := signal.NotifyContext(a.ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	i := &importer{app: a, progress: newProgress(a.stderr), options: web.ImportOptions{Queue: cmd.Queue, Status: cmd.Status, Ours: cmd.Ours, Alias: cmd.Alias}}
	err := i.run(ctx, cmd.Path)
	i.progress.leave()
	if ctx.Err() != nil {
		return fault{exitTemp, fmt.Sprintf("interrupted; %d mails were added: run the same command again, and it goes on from there", i.sum.Added)}
	}
	return err
}

type importer struct {
	app      *app
	client   *client
	options  web.ImportOptions
	progress *progress
	history  *history
	open     *opened // the source that was read last
	sum      ticketing.ImportResult
	done     int
}

func (i *importer) run(ctx context.Context, paths []string) (err error) {
	if i.client, err = i.app.dial(""); err != nil {
		return err
	}
	var plan web.ImportPlan
	if err := i.client.do(ctx, http.MethodPost, "/api/v1/import/plan", nil, i.options, &plan); err != nil {
		return err
	}
	files, err := sources(paths)
	if err != nil {
		return err
	}
	if err := i.index(ctx, files, plan); err != nil {
		return err
	}
	if err := i.known(ctx); err != nil {
		return err
	}
	defer i.close()
	if err := i.add(ctx); err != nil {
		return err
	}
	return i.finish()
}

// index is the first pass.
func (i *importer) index(ctx context.Context, files []source, plan web.ImportPlan) error {
	x := &indexer{now: time.Now()}
	var err error
	if x.aliases, err = ticketing.NewAliases(i.options.Alias); err != nil {
		return err
	}
	if x.ours, err = ticketing.NewOurs(plan.Patterns, i.options.Ours); err != nil {
		return err
	}
	var size int64
	for _, s := range files {
		size += s.size
	}
	i.progress.start("reading", 0)
	x.report = func(read int64, _ int) { i.progress.step(read>>10, size>>10, "KB") }
	if i.history, err = x.index(ctx, files); err != nil {
		return err
	}
	i.progress.end(size>>10, size>>10, "KB")
	return nil
}

// known asks which mails are there already.
func (i *importer) known(ctx context.Context) error {
	mails := i.history.mails
	for len(mails) > 0 {
		part := mails[:min(len(mails), 10_000)]
		mails = mails[len(part):]
		in := web.ImportKeys{ImportOptions: i.options}
		for _, m := range part {
			in.Keys = append(in.Keys, m.key.String())
		}
		var out web.ImportKnown
		if err := i.client.do(ctx, http.MethodPost, "/api/v1/import/known", nil, in, &out); err != nil {
			return err
		}
		for n := range part {
			if part[n].known = n < len(out.Known) && out.Known[n]; part[n].known {
				i.done++
			}
		}
	}
	return nil
}

// add is the second pass. Batches are added one after the other: what is there is always
// the begin of the history, and the tickets are the same however often it is interrupted.
func (i *importer) add(ctx context.Context) error {
	total := int64(len(i.history.mails))
	i.progress.start("importing", int64(i.done))
	i.sum.Known = i.done
	anchors := i.history.anchors()
	var batch []ticketing.ImportMail
	size := 0
	flush := func() error {
		if err := i.send(ctx, batch); err != nil {
			return err
		}
		i.done += len(batch)
		i.progress.step(int64(i.done), total, "mails")
		batch, size = nil, 0
		return nil
	}
	for _, p := range i.history.order {
		m := i.history.mails[p.Index]
		if m.known {
			continue
		}
		raw, err := i.read(m)
		if err != nil {
			return err
		}
		if len(batch) == batchMails || len(batch) > 0 && size+len(raw) > batchOctets {
			if err := flush(); err != nil {
				return err
			}
		}
		batch = append(batch, ticketing.ImportMail{Key: m.key, Anchor: anchors[p.Index], Date: m.date, Raw: raw})
		size += len(raw)
	}
	if len(batch) > 0 {
		if err := flush(); err != nil {
			return err
		}
	}
	i.progress.end(int64(i.done), total, "mails")
	return nil
}

func (i *importer) send(ctx context.Context, batch []ticketing.ImportMail) error {
	var body bytes.Buffer
	if err := web.WriteImport(&body, i.options, batch); err != nil {
		return err
	}
	var sum ticketing.ImportResult
	if err := i.client.send(ctx, http.MethodPost, "/api/v1/import/mails", nil, "application/octet-stream", &body, &sum); err != nil {
		return err
	}
	i.sum.Added += sum.Added
	i.sum.Known += sum.Known
	i.sum.Tickets += sum.Tickets
	return nil
}

// read gives the octets of a mail. The source stays open: the next mail is in it, most often.
func (i *importer) read(m historyMail) ([]byte, error) {
	s := i.history.sources[m.source]
	if i.open == nil || i.open.path != s.path {
		i.close()
		o, err := s.open()
		if err != nil {
			return nil, err
		}
		i.open = o
	}
	raw, err := io.ReadAll(i.open.mail(m.at))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.path, err)
	}
	// A mail program may have moved the mails of a file that were found before.
	_, key, err := readKey(bytes.NewReader(raw))
	if err != nil || key != m.key {
		return nil, fault{exitTemp, fmt.Sprintf("%s was changed while it was read; run the same command again", s.path)}
	}
	return raw, nil
}

func (i *importer) close() {
	if i.open != nil {
		i.open.f.Close()
		i.open = nil
	}
}

// finish says what was done, and what could not be.
func (i *importer) finish() error {
	p := &printer{w: i.app.stdout}
	p.line("%s: %d mails added, %d tickets made; %d mails were there already, %d lay there twice",
		i.options.Queue, i.sum.Added, i.sum.Tickets, i.sum.Known, i.history.twice)
	for _, text := range i.history.large {
		p.line("left out, over %d MB: %s", importMax>>20, text)
	}
	if p.err == nil && len(i.history.large) > 0 {
		return fault{exitFailure, fmt.Sprintf("%d mails were too large", len(i.history.large))}
	}
	return p.err
}
