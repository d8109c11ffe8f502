package integration

import (
	"bytes"
	"strings"

	"postdesk/integration/lab"
)

// The people of the cases.
const (
	unsigned = "pat@" + lab.UnsignedDomain
	spfOnly  = "pat@spf.example"
)

// honestCases are the ways in which people write and answer.
func honestCases() []honest {
	var all []honest
	for _, group := range [][]honest{plainAnswers(), elsewhere(), brokenOnTheWay(), otherPrograms()} {
		all = append(all, group...)
	}
	return all
}

// plainAnswers are people who press "reply", with what their domains prove.
func plainAnswers() []honest {
	return []honest{
		{name: "signed", from: jane},
		{name: "signed by a subdomain", from: "pat@signed.example"},
		{name: "signed, strict alignment", from: "pat@signed-strict.example"},
		{name: "signed, policy none", from: "pat@gateway.example"},
		{name: "unsigned", from: unsigned},
		{name: "SPF only", from: spfOnly},
		{name: "SPF only, enforced policy", from: "pat@spf-enforced.example"},
		{name: "SPF only, SRS forwarder", from: spfOnly, way: envelopeFrom("SRS0=hh=tt=spf.example=pat@forwarder.example")},
		{name: "on premises, no proof at all", from: "pat@onprem.example"},
		{name: "on premises, null reverse-path replaced", from: "pat@onprem.example", way: envelopeFrom("mailer@onprem.example")},
		{name: "upper case author", from: jane, answer: "JANE@" + lab.SignedDomain},
		{name: "upper case domain", from: jane, answer: "jane@CUSTOMER.EXAMPLE"},
		{name: "token in lower case", from: jane, to: replyLow},
		{name: "token in upper case", from: jane, to: replyHigh},
		{name: "token in lower case, unsigned", from: unsigned, to: replyLow},
		{name: "token in upper case, unsigned", from: unsigned, to: replyHigh},
		{name: "readable address, signed", from: jane, to: readable},
		{name: "readable address, signed, lost thread", from: jane, to: readable, ties: loose},
		{name: "readable address, unsigned, thread kept", from: unsigned, to: readable},
		{name: "readable address, unsigned, no References", from: unsigned, to: readable, ties: inReplyTo},
		{name: "readable address, SPF only, lost thread", from: spfOnly, to: readable, ties: loose},
		{name: "lost thread, signed", from: jane, ties: loose},
		{name: "lost thread, unsigned", from: unsigned, ties: loose},
		{name: "no References, signed", from: jane, ties: inReplyTo},
		{name: "no References, unsigned", from: unsigned, ties: inReplyTo},
	}
}

// elsewhere are people who answer from another address, or to another one.
func elsewhere() []honest {
	return []honest{
		{name: "second account, signed", from: unsigned, answer: jane},
		{name: "second account, unsigned", from: jane, answer: unsigned},
		{name: "alias domain", from: "pat@signed.example", answer: "pat@alias.example"},
		{name: "plus address", from: jane, answer: "jane+shop@" + lab.SignedDomain},
		{name: "plus address dropped", from: "jane+shop@" + lab.SignedDomain, answer: jane},
		{name: "colleague, signed", from: jane, answer: "john@" + lab.SignedDomain},
		{name: "colleague, unsigned", from: unsigned, answer: "kim@" + lab.UnsignedDomain},
		{name: "colleague, readable address, thread kept", from: jane, answer: "john@" + lab.SignedDomain, to: readable},
		{name: "group address behind the ticket", from: "info@" + lab.UnsignedDomain, answer: unsigned},
		{name: "group address behind the ticket, signed", from: "info@" + lab.SignedDomain, answer: jane},
		{name: "forwarded to an expert elsewhere", from: jane, answer: "expert@onprem.example"},
		{name: "enforced domain, from another account", from: jane, answer: "pat@signed.example"},
		{name: "to the queue, thread kept, signed", from: jane, to: queue},
		{name: "to the queue, thread kept, unsigned", from: unsigned, to: queue},
		{name: "follow-up to the own first mail, signed", from: jane, to: queue, ties: own},
		{name: "follow-up to the own first mail, unsigned", from: unsigned, to: queue, ties: own, want: linked},
		{name: "follow-up to the own first mail, SPF only", from: spfOnly, to: queue, ties: own},
		{name: "a new mail to the queue, signed", from: jane, to: queue, ties: loose, want: linked},
		{name: "a new mail to the queue, unsigned", from: unsigned, to: queue, ties: loose, want: linked},
	}
}

// brokenOnTheWay are answers that something changes after they were signed.
func brokenOnTheWay() []honest {
	return []honest{
		{name: "footer gateway, policy none", from: "pat@gateway.example", way: footer},
		{name: "footer gateway, no policy", from: jane, way: footer},
		{name: "footer gateway, unsigned", from: unsigned, way: footer},
		{name: "subject tag of a gateway", from: jane, way: replaceSubject("[EXTERNAL] ")},
		{name: "white space at the ends of lines", from: jane, way: trailingSpace},
		{name: "signature taken off", from: jane, way: withoutSignature},
		{name: "antivirus header above", from: jane, way: prepend("X-Virus-Scanned: clean")},
		{name: "forwarder that keeps the body", from: jane, way: forwarded},
		{name: "forwarder with SRS", from: jane, way: thenAlso(forwarded, envelopeFrom("SRS0=hh=tt=customer.example=jane@forwarder.example"))},
		{name: "list on the customer's side", from: jane, way: prepend("List-Id: <team.customer.example>\r\nPrecedence: list")},
		// Who subscribes a ticket to a list must not flood it: a list's own words are folded.
		{name: "list that rewrites the author", from: jane, answer: "team@list.example", fields: "List-Id: <team.list.example>\r\nSender: <jane@customer.example>\r\n", want: folded},
		{name: "footer gateway, first mail too", from: "pat@gateway.example", first: footer, way: footer},
		{name: "footer gateway, readable address, thread kept", from: "pat@gateway.example", way: footer, to: readable},
		// The domain itself asks that such mail be kept from its readers.
		{name: "footer gateway, enforced policy", from: "pat@signed-strict.example", way: footer, want: held},
	}
}

// otherPrograms are shapes of mail that programs make.
func otherPrograms() []honest {
	return []honest{
		{name: "phone, reply on top", from: jane, body: "Works!\n\nSent from my iPhone\n\n> On 1 Jan, Support wrote:\n> Please try again.\n"},
		{name: "Outlook block", from: unsigned, body: "Works.\n\nFrom: Support\nSent: Monday\nTo: Pat\nSubject: Case\n\nPlease try again.\n"},
		{name: "Thread-Index beside", from: jane, fields: "Thread-Index: AdXBrQ0AAAAAAAAAAAAAAAAAAAAAAA==\r\nThread-Topic: Case\r\n"},
		{name: "read receipt asked for", from: jane, fields: "Disposition-Notification-To: <jane@customer.example>\r\nReturn-Receipt-To: <jane@customer.example>\r\n"},
		{name: "high priority", from: unsigned, fields: "X-Priority: 1\r\nImportance: high\r\n"},
		{name: "Reply-To of its own", from: jane, fields: "Reply-To: <team@customer.example>\r\n"},
		{name: "Sender beside From", from: jane, fields: "Sender: <assistant@customer.example>\r\n"},
		{name: "Auto-Submitted: no", from: jane, fields: "Auto-Submitted: no\r\n"},
		{name: "a suppress wish of Exchange", from: unsigned, fields: "X-Auto-Response-Suppress: DR, OOF, AutoReply\r\n"},
		{name: "delivery to many, bulk precedence", from: jane, fields: "Precedence: bulk\r\n"},
		{name: "a word about vacation", from: jane, body: "I was out of office, sorry. Now it works.\n"},
		{name: "contact form", from: "form@" + lab.SignedDomain, form: "visitor@onprem.example", answer: "visitor@onprem.example"},
		{name: "contact form, visitor of a signing domain", from: "form@" + lab.SignedDomain, form: "pat@signed.example", answer: "pat@signed.example"},
		{name: "contact form, readable address, thread kept", from: "form@" + lab.SignedDomain, form: unsigned, answer: unsigned, to: readable},
		{name: "nothing but a quote", from: unsigned, body: "> Please try again.\n"},
	}
}

func envelopeFrom(address string) func([]byte) []byte {
	return prepend("X-Envelope-From: " + address)
}

func prepend(fields string) func([]byte) []byte {
	return func(raw []byte) []byte { return append([]byte(fields+"\r\n"), raw...) }
}

func thenAlso(a, b func([]byte) []byte) func([]byte) []byte {
	return func(raw []byte) []byte { return b(a(raw)) }
}

// footer is what a gateway adds to say that it was there.
func footer(raw []byte) []byte {
	return append(raw, "\r\n--\r\nThis message was checked by a gateway.\r\n"...)
}

func forwarded(raw []byte) []byte {
	return prepend("Received: from mx.forwarder.example by forwarder.example with ESMTPS id 4XyZ; Mon, 2 Nov 2026 10:00:00 +0000\r\n" +
		"Delivered-To: jane@forwarder.example")(raw)
}

func replaceSubject(tag string) func([]byte) []byte {
	return func(raw []byte) []byte {
		return bytes.Replace(raw, []byte("\r\nSubject: "), []byte("\r\nSubject: "+tag), 1)
	}
}

func trailingSpace(raw []byte) []byte {
	head, body, _ := bytes.Cut(raw, []byte("\r\n\r\n"))
	return []byte(string(head) + "\r\n\r\n" + strings.ReplaceAll(string(body), "\r\n", "  \r\n"))
}

// withoutSignature takes off the DKIM-Signature, which stands first.
func withoutSignature(raw []byte) []byte {
	for i := 0; i < len(raw); {
		end := i + bytes.Index(raw[i:], []byte("\r\n")) + 2
		if i > 0 && raw[i] != ' ' && raw[i] != '\t' {
			return raw[i:]
		}
		i = end
	}
	return raw
}
