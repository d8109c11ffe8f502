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
