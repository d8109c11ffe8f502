package mail

import "testing"

func TestReadReport(t *testing.T) {
	for name, c := range map[string]struct {
		raw       string
		recipient string // empty: no report
		status    string
		action    string
		permanent bool
	}{
		"RFC 3464": {"From: MAILER-DAEMON@mx.example\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\n\r\nSorry.\r\n--b\r\n" +
			"Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example\r\n\r\nFinal-Recipient: rfc822; <jo@customer.example>\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n--b--\r\n",
			"jo@customer.example", "5.1.1", "failed", true},
		"qmail": {"Return-Path: <>\r\nFrom: MAILER-DAEMON@mx.example\r\nTo: desk@desk.example\r\nSubject: failure notice\r\n\r\nHi. This is the qmail-send program at mx.example.\r\n" +
			"I'm afraid I wasn't able to deliver your message to the following addresses.\r\n\r\n<jo@customer.example>:\r\n192.0.2.1 does not like recipient.\r\nRemote host said: 550 5.1.1 no such user\r\n\r\n" +
			"--- Below this line is a copy of the message.\r\n\r\nReturn-Path: <desk@desk.example>\r\nMessage-ID: <a@desk.example>\r\nTo: other@customer.example\r\n",
			"jo@customer.example", "5.1.1", "failed", true},
		"exim": {"From: Mail Delivery System <Mailer-Daemon@mx.example>\r\nX-Failed-Recipients: jo@customer.example\r\nSubject: Mail delivery failed: returning message to sender\r\n\r\nThis message was created automatically.\r\n",
			"jo@customer.example", "", "failed", true},
		"delayed": {"From: MAILER-DAEMON@mx.example\r\nSubject: Warning: could not send message for past 4 hours\r\n\r\nYou do not need to resend your message.\r\n<jo@customer.example>... Deferred: 451 4.4.1 timed out\r\n",
			"jo@customer.example", "4.4.1", "delayed", false},
		"a person who complains":         {"From: jo@customer.example\r\nSubject: Undeliverable: my mail\r\n\r\nMy mail to ann@customer.example could not be delivered.\r\n", "", "", "", false},
		"an administrator who complains": {"From: admin@customer.example\r\nSubject: mail not delivered\r\n\r\nOur mail to ann@customer.example is gone.\r\n", "", "", "", false},
		"a person who answers a report":  {"From: postmaster@customer.example\r\nSubject: Re: Undelivered mail\r\n\r\nWe mended jo@customer.example.\r\n", "", "", "", false},
	} {
		r := Parse([]byte(c.raw)).Report
		if r == nil && c.recipient == "" {
			continue
		}
		if r == nil || len(r.Recipients) != 1 {
			t.Errorf("%s: %+v", name, r)
			continue
		}
		if got := r.Recipients[0]; got.Address != c.recipient || got.Status != c.status || got.Action != c.action || got.Permanent != c.permanent {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// What is no report, though it looks like one.
func TestNoReport(t *testing.T) {
	for name, raw := range map[string]string{
		"a person who forwards one": "From: Jo <jo@customer.example>\nSubject: Fwd: Undelivered Mail Returned to Sender\n\nSee below.\n\n> Your message could not be delivered to\n> <ann@customer.example>: 550 5.1.1 unknown\n",
		"a person who attaches one": "From: Jo <jo@customer.example>\nSubject: what does this mean?\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nI got this.\n--b\nContent-Type: message/rfc822\n\n" +
			"From: MAILER-DAEMON@mx.example\nContent-Type: multipart/report; report-type=delivery-status; boundary=i\n\n--i\nContent-Type: message/delivery-status\n\nFinal-Recipient: rfc822; ann@customer.example\nAction: failed\nStatus: 5.1.1\n\n--i--\n--b--\n",
		"a person who kept the subject": "From: Jo <jo@customer.example>\nSubject: Undeliverable: Printer\n\nHello,\nyour message could not be delivered to\nann@customer.example\nit says. What shall I do?\n\nThanks, Jo\n",
		"a person who answers one":      "From: Jo <jo@customer.example>\nReferences: <a@desk.example>\nSubject: Undeliverable: Printer\n\nYour message was not delivered to:\n\njo@customer.example\n",
		"a postmaster with a question":  "From: postmaster@customer.example\nSubject: Your mail server\n\nYour host sends us mail for jo@customer.example. Who may we call?\n",
		"a vacation notice":             "Return-Path: <>\nFrom: Jo <jo@customer.example>\nAuto-Submitted: auto-replied\nSubject: Out of office: Printer\n\nI am away and cannot be reached. Write to ann@customer.example.\n",
		"a vacation notice of a system": "Return-Path: <>\nFrom: postmaster@customer.example\nSubject: Automatic reply: Printer\n\nThe mailbox is not read. Mail could not be answered; write to ann@customer.example.\n",
		"a feedback report":             "Return-Path: <>\nFrom: MAILER-DAEMON@isp.example\nSubject: complaint about message from 192.0.2.1\nContent-Type: multipart/report; report-type=feedback-report; boundary=b\n\n--b\n\nAbuse: mail could not be delivered to jo@customer.example\n--b\nContent-Type: message/feedback-report\n\nFeedback-Type: abuse\n\n--b--\n",
		"a receipt":                     "From: Jo <jo@customer.example>\nSubject: Read: Printer\nContent-Type: multipart/report; report-type=disposition-notification; boundary=b\n\n--b\n\nRead.\n--b\nContent-Type: message/disposition-notification\n\nFinal-Recipient: rfc822; jo@customer.example\nDisposition: manual-action/MDN-sent-manually; displayed\n\n--b--\n",
		"a notice of a list":            "From: list-bounces@lists.example\nSubject: Your message to Talk awaits moderator approval\n\nYour mail to 'Talk' is being held until the moderator can review it. list-owner@lists.example\n",
		"a confirmation of a shop":      "From: no-reply@shop.example\nSubject: Delivery status of your order\n\nYour parcel was delivered to the neighbour. Write to help@shop.example.\n",
		"a question about a parcel":     "From: Jo <jo@customer.example>\nSubject: Delivery problem\n\nThe parcel was not delivered. My mail address is jo@customer.example.\n",
	} {
		if r := Parse([]byte(raw)).Report; r != nil {
			t.Errorf("%s is taken for a report: %+v", name, r)
		}
	}
}

func TestStatusAndCode(t *testing.T) {
	for line, want := range map[string]struct {
		status string
		code   int
	}{
		"550 5.1.1 unknown":                         {"5.1.1", 550},
		"host mail.example[192.5.1.2] said: 552":    {"", 552},
		"connect to 5.1.1.20 failed":                {"", 0},
		"(#5.2.2)":                                  {"5.2.2", 0},
		"Release 5.0.8, error 554: refused":         {"", 554},
		"220 mx ESMTP 4.4.7":                        {"", 0},
		"250 2.1.5 Ok, then 451 4.3.0 no":           {"4.3.0", 451},
		"smtp; 550-5.7.26 unauthenticated":          {"5.7.26", 550},
		"Status: 5.1.351 (remote)":                  {"5.1.351", 0},
		"[SMTP Error Code 550]":                     {"", 550},
		"4.9.2026 at 10:00:450":                     {"", 0},
		"message 550e8400-e29b size 5123 x452y":     {"", 0},
		"5.1.1.":                                    {"5.1.1", 0},
		"421 4.7.0 try later (expired after 5.0.0)": {"4.7.0", 421},
	} {
		if s, c := firstStatus(line), firstCode(line); s != want.status || c != want.code {
			t.Errorf("%q: %q %d", line, s, c)
		}
	}
}

// Each class of reason has its status, in class 5 when the reporter gave up and in 4 when not.
func TestStatusOfWords(t *testing.T) {
	for words, want := range map[string]string{
		"Mailbox is over quota": "2.2", "no such user here": "1.1", "Host unknown (Name server: a: host not found)": "1.2", "message too large for this mailbox": "3.4",
		"Relaying denied": "7.1", "too many hops": "4.6", "connect: Connection refused": "4.1", "Connection timed out": "4.2", "rejected as spam": "7.1",
		"account has been disabled": "2.1", "infected by a virus": "7.0", "Der Empfänger ist unbekannt": "1.1", "Le compte n'existe pas": "1.1",
		"宛先が見つかりません": "1.1", "SPF check failed": "7.23", "cannot find your hostname": "7.25", "queue file write error": "3.0",
	} {
		if hard, soft := statusOfWords(words, true), statusOfWords(words, false); hard != "5."+want || soft != "4."+want {
			t.Errorf("%q: %q, %q", words, hard, soft)
		}
	}
	if s := statusOfWords("Thank you.", true); s != "" {
		t.Errorf("nothing is said, and it means %q", s)
	}
}
