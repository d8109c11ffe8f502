package ticketing

import (
	"testing"

	"postdesk/ticketing/mail"
)

func TestFoldKey(t *testing.T) {
	const (
		below = "Received: from mail.customer.example by gw.site.example id X; date\r\nMessage-ID: <a@b>\r\nSubject: x\r\n\r\nbody\r\n"
		ours  = "Received: from gw.site.example\r\n\tby mx.desk.example (Postfix) with ESMTP id 4aaa; date\r\n"
		again = "Received: by mx.desk.example (Postfix, from userid 0)\r\n\tid 4bbb; later\r\n"
	)
	m := &mail.Message{MessageID: "a@b"}
	first := foldKey([]byte(ours+below), m)
	if first == "" || foldKey([]byte(again+ours+below), m) != first {
		t.Error("a mail that was requeued is not known again")
	}
	for name, other := range map[string]string{
		"another body":               ours + below + "more\r\n",
		"another way to our Postfix": ours + "Received: by other.example id 1\r\n" + below,
	} {
		if foldKey([]byte(other), m) == first {
			t.Errorf("%s has the same key", name)
		}
	}
	if foldKey([]byte(ours+below), &mail.Message{MessageID: "c@d"}) == first {
		t.Error("another Message-ID has the same key")
	}
	if foldKey([]byte(ours+below), &mail.Message{}) != "" {
		t.Error("a mail without Message-ID has a key")
	}
}
