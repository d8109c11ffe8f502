package mail

import (
	"strings"
	"testing"
	"time"
)

func sample() Draft {
	return Draft{
		From:       Address{Name: "Jane at Support", Address: "SUPPORT-7102@support-ticket.example"},
		ReplyTo:    Address{Address: "SUPPORT-7102+k1abcdef@support-ticket.example"},
		To:         Address{Name: "Jürgen Groß", Address: "jo@customer.example"},
		Subject:    ReplySubject("printer on fire"),
		Date:       time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC),
		MessageID:  "7102.1.abc@support-ticket.example",
		InReplyTo:  "a1@customer.example",
		References: []string{"a0@customer.example", "a1@customer.example"},
		Body:       "Hello Jürgen,\n\nplease use `lpr -r` and **stop** <your name>.\n\nKind regards\n--\nJane",
		QuoteHead:  "On 3 March 2026, Jürgen Groß wrote:",
		Quote:      "My printer is on fire.\n> earlier",
		Signature:  "Jane\nSupport",
	}
}

func TestComposeHeaderLines(t *testing.T) {
	raw, err := Compose(sample())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"Date: Wed, 04 Mar 2026 05:06:07 +0000\r\n",
		"From: \"Jane at Support\" <SUPPORT-7102@support-ticket.example>\r\n",
		"Reply-To: SUPPORT-7102+k1abcdef@support-ticket.example\r\n",
		"To: =?utf-8?b?SsO8cmdlbiBHcm/Dnw==?= <jo@customer.example>\r\n",
		"Subject: RE: printer on fire\r\n",
		"Message-ID: <7102.1.abc@support-ticket.example>\r\n",
		"In-Reply-To: <a1@customer.example>\r\n",
		"References: <a0@customer.example> <a1@customer.example>\r\n",
		"MIME-Version: 1.0\r\n",
	} {
		if !strings.Contains(string(raw), want) {
			t.Errorf("no %q in\n%s", want, raw)
		}
	}
}
