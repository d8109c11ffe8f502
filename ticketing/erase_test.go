package ticketing_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"mime/quotedprintable"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"postdesk/ticketing"
	"postdesk/ticketing/mail"
	"postdesk/ticketing/store"
)

// A person whose words, name, address and files all have the canary in them.
const (
	birdAddress = "jo.canary@customer.example"
	bird        = "Joanna Canarybird <" + birdAddress + ">"
	birdWords   = "My canary sings of nothing but lost invoices since last Tuesday morning.\r\nCall me at canary4711x please.\r\n"
	bob         = "bob@customer.example"
)

// sightings are where in a data directory somebody's words can be read: in each file as it
// lies there, and in all that is compressed or encoded in it, also in what nothing refers to.
func sightings(t *testing.T, dir, word string) (found []string) {
	t.Helper()
	dictionary, err := os.ReadFile(filepath.Join("store", "dictionary", "1"))
	if err != nil {
		t.Fatal(err)
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderMaxMemory(256<<20), zstd.WithDecoderDictRaw(1, dictionary))
	if err != nil {
		t.Fatal(err)
	}
	defer dec.Close()
	err = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		texts := [][]byte{data}
		for at := 0; ; at++ { // each frame of zstd, wherever it begins
			i := bytes.Index(data[at:], []byte{0x28, 0xb5, 0x2f, 0xfd})
			if i < 0 {
				break
			}
			at += i
			plain, _ := dec.DecodeAll(data[at:min(len(data), at+2<<20)], nil)
			texts = append(texts, plain)
		}
		for _, text := range texts {
			for _, form := range [][]byte{text, decoded(text), unquoted(text)} {
				low := bytes.ToLower(form)
				if i := bytes.Index(low, []byte(word)); i >= 0 {
					found = append(found, fmt.Sprintf("%s: …%q…", path, low[max(0, i-60):min(len(low), i+60)]))
					break
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// decoded is all base64 of a text.
func decoded(text []byte) (out []byte) {
	for line := range bytes.Lines(text) {
		if plain, err := base64.StdEncoding.DecodeString(string(bytes.TrimSpace(line))); err == nil {
			out = append(out, plain...)
		}
	}
	return out
}

func unquoted(text []byte) []byte {
	var b bytes.Buffer
	_, _ = b.ReadFrom(quotedprintable.NewReader(bytes.NewReader(bytes.ReplaceAll(text, []byte("=\r\n"), nil))))
	return b.Bytes()
}

// aviary is a desk with the bird in it, wherever a person can be. The bird's first mail is
// given as it came.
func aviary(t *testing.T, db *store.DB, w *world) (first string) {
	t.Helper()
	rnd := rand.New(rand.NewPCG(1, 2)) // what compresses lies in the database
	noise := make([]byte, 200_000)
	for i := range noise {
		noise[i] = byte(rnd.Uint32())
	}
	for n := range 40 { // so that pages of the database split
		w.send(fmt.Sprintf("kim%d@customer.example", n), "new@desk.example", fmt.Sprintf("About %d", n), fmt.Sprintf("Message-ID: <k%d@customer.example>\r\n", n), strings.Repeat("words of others ", 5+n))
	}
	first = "From: " + bird + "\r\nTo: new@desk.example\r\nCc: " + bob + "\r\nSubject: A canary is ill\r\nMessage-ID: <canary1@customer.example>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" +
		"--b\r\nContent-Type: text/plain\r\n\r\n" + birdWords + "-- \r\nDr. Joanna Canarybird\r\n--b\r\nContent-Type: application/octet-stream; name=\"canary.bin\"\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
		base64.StdEncoding.EncodeToString(append([]byte("canary"), noise...)) + "\r\n--b--\r\n"
	w.sendAs(birdAddress, []string{"new@desk.example"}, first)
	_, err := w.AddParticipant(w.ctx, jane, "SUPPORT-7142", mail.Address{Address: bob})
	w.must(nil, err)
	w.answer("SUPPORT-7142", "Dear Joanna Canarybird, we look after canary4711x.")
	w.must(nil, note(w, "SUPPORT-7142", "Joanna Canarybird rang, from jo.canary@customer.example. Ask bob."))
	w.send(bob, "SUPPORT-7142@desk.example", "Re: A canary is ill", "Message-ID: <bob1@customer.example>\r\nIn-Reply-To: <canary1@customer.example>\r\n",
		"Bob thinks so too.\r\n\r\nOn Monday, Joanna Canarybird wrote:\r\n> My canary sings of nothing but lost\r\n> invoices since last Tuesday morning.\r\n")
	w.sendAs(birdAddress, []string{"SUPPORT-7142@desk.example"}, "From: "+bird+"\r\nSubject: Re: A canary is ill\r\nMessage-ID: <canary2@customer.example>\r\nContent-Type: text/html\r\n\r\n<p>Still a canary</p>\r\n")
	w.answer("SUPPORT-7142", "We go on.")
	w.sendAs("", []string{"new@desk.example"}, "From: robot@machine.example\r\nSubject: Delivery status\r\nMessage-ID: <m1@machine.example>\r\n\r\nNothing of a bird.\r\n")
	w.settled()
	return first
}

func note(w *world, ticket, text string) error {
	_, _, err := w.Reply(w.ctx, jane, ticketing.ReplyRequest{Ticket: ticket, Text: text, Note: true})
	return err
}

// After an erasure no byte of the data directory has anything of the person, all else is as
// it was, and the desk goes on.
func TestErasePerson(t *testing.T) {
	dir := t.TempDir()
	w := worldIn(t, dir)
	first := aviary(t, w.store, w)
	if len(sightings(t, dir, "canary")) < 5 {
		t.Fatal("the bird is nowhere: this test would see nothing")
	}
	would, err := w.WouldErase(w.ctx, "Jo.Canary@customer.example")
	w.must(nil, err)
	seq, err := w.LastSeq(w.ctx)
	w.must(nil, err)
	c, err := w.ErasePerson(w.ctx, jane, "Jo.Canary@customer.example")
	w.must(nil, err)
	if fmt.Sprint(c.Removed.Tickets, c.Removed.Messages, c.Removed.Outgoing) != fmt.Sprint(would.Removed.Tickets, would.Removed.Messages, would.Removed.Outgoing) ||
		fmt.Sprint(c.Removed.Tickets) != "[SUPPORT-7142]" || len(c.Removed.Messages) != 2 || len(c.Removed.Outgoing) != 2 || c.Removed.Cancelled < 2 || !c.Disk.Written {
		t.Errorf("certificate: %+v\ndry run: %+v", c, would)
	}
	if text := fmt.Sprintf("%+v", c); strings.Contains(strings.ToLower(text), "canary") {
		t.Errorf("the certificate names somebody: %s", text)
	}
	for _, s := range sightings(t, dir, "canary") {
		t.Error(s)
	}
	w.afterErasure(t, dir, seq, first)
}

// afterErasure looks at what is left, and at what comes next.
func (w *world) afterErasure(t *testing.T, dir string, seq int64, first string) {
	t.Helper()
	conv := w.ticket("SUPPORT-7142")
	for _, m := range conv.Messages {
		if m.Received.IsZero() || m.ID == 0 {
			t.Errorf("%+v", m)
		}
	}
	bobs := conv.Messages[slices.IndexFunc(conv.Messages, func(m ticketing.Message) bool { return m.From.Address == bob })]
	content, err := w.Content(w.ctx, bobs)
	w.must(nil, err)
	if !strings.Contains(content.Text, "Bob thinks so too.") || conv.Ticket.Requester != "" || conv.Ticket.Subject != "[erased]" || conv.Messages[0].Body != "[erased]" {
		t.Errorf("left: %q, %+v", content.Text, conv.Ticket)
	}
	events, err := w.Events(w.ctx, seq, 100)
	w.must(nil, err)
	if len(events) != 1 || events[0].Type != ticketing.PersonErased || events[0].Name != "SUPPORT-7142" || events[0].Facts["messages"] == "" {
		t.Errorf("told: %+v", events)
	}
	all, err := w.Events(w.ctx, 0, 1000)
	w.must(nil, err)
	if len(all) != int(seq)+1 || all[0].Seq != 1 || !slices.ContainsFunc(all, func(e ticketing.Event) bool { return e.Type == ticketing.EventErased }) {
		t.Errorf("%d events of %d", len(all), seq+1)
	}
	a, err := store.Verify(w.ctx, dir, nil)
	w.must(nil, err)
	if len(a.Problems)+len(a.Notes) > 0 {
		t.Errorf("verify: %q %q", a.Problems, a.Notes)
	}
	n := len(w.tickets())
	w.sendAs(birdAddress, []string{"new@desk.example"}, first)                                                                                   // the same bytes
	w.sendAs(birdAddress, []string{"new@desk.example"}, "Received: from mx by desk.example with LMTP; Mon, 1 Jan 2026 00:00:00 +0000\r\n"+first) // requeued by Postfix
	if got := len(w.tickets()); got != n {
		t.Errorf("mail that was erased is back: %d tickets, and there were %d", got, n)
	}
	w.sendAs(birdAddress, []string{"new@desk.example"}, "From: "+bird+"\r\nSubject: new\r\nMessage-ID: <new@customer.example>\r\n\r\nSomething new.\r\n")
	if got := len(w.tickets()); got != n+1 {
		t.Errorf("new mail of the same person opens no ticket: %d", got)
	}
	w.send(bob, "SUPPORT-7142@desk.example", "Re: x", "Message-ID: <bob2@customer.example>\r\n", "Bob again.")
	requester := bob
	_, err = w.Change(w.ctx, jane, "SUPPORT-7142", ticketing.Change{Requester: &requester})
	w.must(nil, err)
	w.answer("SUPPORT-7142", "Bob is answered.")
}

// worldIn is a desk in a directory, with staff who are told of everything.
func worldIn(t *testing.T, dir string) *world {
	t.Helper()
	return newWorldAt(t, dir, store.Options{Synchronous: "OFF"}, func(c *ticketing.Config) {
		c.Staff = []ticketing.Person{{Name: "sam", Addresses: []string{"sam@staff.example"}, Notify: map[string][]ticketing.Topic{ticketing.AllQueues: {ticketing.TopicAll, ticketing.TopicNew, ticketing.TopicAnswers}}}}
	})
}
