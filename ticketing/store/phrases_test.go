package store

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"postdesk/ticketing"
	"postdesk/ticketing/mail"
)

// Every text comes back as it was.
func TestPhrases(t *testing.T) {
	pieces := append(slices.Clone(phrases[:]), "", "x", "\t", "\r\n", "é", "\x01", "\x1e", "\x1f", "\x1e!", "\x7f", `"`, `{`, `"}`)
	rapid.Check(t, func(t *rapid.T) {
		s := strings.Join(rapid.SliceOf(rapid.SampledFrom(pieces)).Draw(t, "text"), "")
		if back, err := unpack(pack(s)); err != nil || back != s {
			t.Fatalf("%q is kept as %q and comes back as %q, %v", s, pack(s), back, err)
		}
	})
	for n, phrase := range phrases {
		if packed := pack(phrase); len(packed) > 2 || slices.Contains(phrases[:n], phrase) {
			t.Errorf("%q is kept as %q", phrase, packed)
		}
	}
	// What SQL compares, and what it makes of a type.
	for _, typ := range []string{ticketing.EventErased, ticketing.PersonErased, ticketing.MessageRedacted, ticketing.ReasonErased} {
		if pack(typ) != typ {
			t.Errorf("%s is kept as %q", typ, pack(typ))
		}
	}
	if was, err := unpack(`{"was":"` + pack(ticketing.MessageReceived) + `"}`); err != nil || was != `{"was":"message.received"}` {
		t.Errorf("%q, %v", was, err)
	}
	if _, err := unpack(string([]byte{'x', longPhrase, 0x7f})); err == nil {
		t.Error("a phrase that is not known is nothing")
	}
}

// The numbers of phrases are in the rows of every desk.
func TestPhrasesStay(t *testing.T) {
	const signed = "\x01client.example\x02s1\x03\x05"
	if packed := pack(`{"dkim":[{"domain":"client.example","selector":"s1","result":"pass","aligned":true}],"author":"=","method":"dkim","dmarc":"none","reason":"signed by the author's domain"}`); packed != signed {
		t.Errorf("%q", packed)
	}
	for packed, want := range map[string]string{"\x15": ticketing.MessageReceived, "\x1e ": "the participant's own thread, but nothing proves the author", "\x1eA": "note.added"} {
		if got, err := unpack(packed); err != nil || got != want {
			t.Errorf("%q is %q, %v", packed, got, err)
		}
	}
}

// A verdict comes back with its author, whoever From names.
func TestAuthorIsKept(t *testing.T) {
	d := open(t, t.TempDir())
	for _, author := range []string{"jane@client.example", "", "joe@client.example"} {
		m := ticketing.Message{From: mail.Address{Address: "jane@client.example"}, Authentication: mail.Authentication{Author: author, Method: "dkim"}}
		write(t, d, func(tx ticketing.Tx) error {
			k := ticketing.Ticket{Queue: "A", Number: 1 + int64(len(author)), Status: "new"}
			if err := tx.AddTicket(&k); err != nil {
				return err
			}
			m.Ticket = k.ID
			return tx.AddMessage(&m)
		})
		ok(t, d.Read(t.Context(), func(tx ticketing.Tx) error {
			got, err := tx.Message(m.ID)
			same(t, "author", got.Authentication.Author, author)
			return err
		}))
	}
}
