package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"

	"postdesk/integration/lab"
	"postdesk/lmtp"
	"postdesk/lmtp/verify"
	"postdesk/ticketing"
	"postdesk/ticketing/mail"
	"postdesk/ticketing/store"
)

// A floor does one part of the agent's work and no other, behind the same door: less than
// that a mail cannot cost with these libraries on this machine.
type floor struct {
	name, says string
	handler    func(ctx context.Context, dir, nameserver string) (take, func() error, error)
}

// take takes one mail to the end of what a floor does.
type take func(ctx context.Context, env mail.Envelope, body io.Reader) error

func floors() []floor {
	return []floor{
		{"door", "thrown away behind the LMTP server", discarding},
		{"read", "parsed and its signature verified, not stored", reading},
		{"log", "in one file, whose syncs many share", logging},
		{"store", "committed in SQLite, not processed", storing},
	}
}

// floorCommand makes this program such a server, which is how it starts them.
const floorCommand = "floor"

// serveFloor serves NAME at DIR/sock, and asks NAMESERVER, until ctx ends.
func serveFloor(ctx context.Context, args []string) error {
	if len(args) != 3 {
		return fmt.Errorf("want %s NAME DIR NAMESERVER", floorCommand)
	}
	name, dir, nameserver := args[0], args[1], args[2]
	for _, f := range floors() {
		if f.name != name {
			continue
		}
		do, end, err := f.handler(ctx, dir, nameserver)
		if err != nil {
			return err
		}
		l, err := net.Listen("unix", floorSocket(dir))
		if err != nil {
			return err
		}
		s := lmtp.NewServer(lmtp.Config{Hostname: "floor.example"}, do)
		if err := s.Serve(ctx, l); err != nil {
			return err
		}
		return end()
	}
	return fmt.Errorf("there is no floor %q", name)
}

func floorSocket(dir string) string { return filepath.Join(dir, "sock") }

// Recipient takes any.
func (t take) Recipient(context.Context, string) error { return nil }

// Deliver is of one mail; these have one recipient.
func (t take) Deliver(ctx context.Context, env mail.Envelope, body io.Reader) []mail.Result {
	return []mail.Result{{Err: t(ctx, env, body)}}
}

func noEnd() error { return nil }

func discarding(context.Context, string, string) (take, func() error, error) {
	return func(_ context.Context, _ mail.Envelope, body io.Reader) error {
		_, err := io.Copy(io.Discard, body)
		return err
	}, noEnd, nil
}

func reading(_ context.Context, _, nameserver string) (take, func() error, error) {
	resolver, err := verify.NewResolver(nameserver)
	if err != nil {
		return nil, nil, err
	}
	v := verify.New(verify.Config{Resolver: resolver})
	return func(ctx context.Context, _ mail.Envelope, body io.Reader) error {
		raw, err := io.ReadAll(body)
		if err != nil {
			return err
		}
		if auth := v.Verify(ctx, raw, mail.Intake(raw)); auth.Author == "" {
			return fmt.Errorf("the signature does not verify: %+v", auth)
		}
		return nil
	}, noEnd, nil
}

// logging is how fast this disk and this door can be: what waits is written and synced at once.
func logging(ctx context.Context, dir, _ string) (take, func() error, error) {
	f, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, nil, err
	}
	type entry struct {
		raw  []byte
		done chan error
	}
	entries := make(chan entry, 256)
	go func() {
		for e := range entries {
			batch := []entry{e}
			for more := true; more; {
				select {
				case e = <-entries:
					batch = append(batch, e)
				default:
					more = false
				}
			}
			var all []byte
			for _, e := range batch {
				all = append(all, e.raw...)
			}
			_, err := f.Write(all)
			if err == nil {
				err = f.Sync()
			}
			for _, e := range batch {
				e.done <- err
			}
		}
	}()
	return func(_ context.Context, _ mail.Envelope, body io.Reader) error {
		raw, err := io.ReadAll(body)
		if err != nil {
			return err
		}
		e := entry{raw, make(chan error, 1)}
		entries <- e
		return <-e.done
	}, f.Close, nil
}

func storing(ctx context.Context, dir, _ string) (take, func() error, error) {
	db, err := store.Open(ctx, filepath.Join(dir, "data"), store.Options{})
	if err != nil {
		return nil, nil, err
	}
	return func(ctx context.Context, env mail.Envelope, body io.Reader) error {
		staged, err := db.Stage(ctx, body)
		if err != nil {
			return err
		}
		return db.Write(ctx, func(tx ticketing.Tx) error {
			if err := tx.PutRaw(staged); err != nil {
				return err
			}
			_, _, err := tx.Arrive(staged.Hash, env, time.Now())
			return err
		})
	}, db.Close, nil
}

// startFloor starts this program once more, as a floor.
func (f floor) start(ctx context.Context, l *lab.Lab) (*contender, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(l.Dir, "floor-"+f.name)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	return process(ctx, "floor: "+f.name, floorSocket(dir), self, floorCommand, f.name, dir, l.DNS.Addr())
}

// floorsSection measures them beside Dovecot and smtp-sink.
func floorsSection(ctx context.Context, s settings, r *report) error {
	starts := []startContender{startSink, startDovecot}
	for _, f := range floors() {
		starts = append(starts, f.start)
	}
	return withContenders(ctx, starts, func(l *lab.Lab, all []*contender) error {
		t, err := rounds(ctx, s, l, all, loads()[0].load)
		if err != nil {
			return err
		}
		t.print(r.out)
		for _, f := range floors() {
			of := func(unit, peer string, value func(result) float64) {
				ours, theirs := column(t.rounds["floor: "+f.name], value), column(t.rounds[peer], value)
				r.add(row{what: "floor, 2 KB, 32 connections: " + f.says, unit: unit, ours: ours, peer: peer, theirs: theirs})
			}
			of("mails/s", dovecotName, func(r result) float64 { return r.accepted })
			of(cpuUnit, sinkName, func(r result) float64 { return r.cpu })
		}
		return nil
	})
}
