package web

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"reflect"
	"testing"
	"time"

	"postdesk/ticketing"
)

// A signature that nothing marks is learnt from the author's mail before: it is not what
// the author wrote, in the list and in the single message, and stays in the text.
func TestLearntSignature(t *testing.T) {
	s := newSite(t)
	const sign = "\n\nJo Customer\nCustomer Ltd\n+49 30 555\n"
	var mails []ticketing.ImportMail
	for n, from := range []string{"jo", "ann", "jo", "jo"} {
		text := fmt.Sprintf("Words of %d.%s", n, sign)
		if n == 3 {
			text = "No signature.\n\nWords alone.\n"
		}
		raw := fmt.Appendf(nil, "From: %s@customer.example\nMessage-ID: <%d@old>\nSubject: Re: old\n\n%s", from, n, text)
		mails = append(mails, ticketing.ImportMail{Key: sha256.Sum256(raw), Date: time.Date(2024, 2, 1, 10, n, 0, 0, time.UTC), Raw: raw})
		if n > 0 {
			mails[n].Anchor = mails[0].Key
		}
	}
	var batch bytes.Buffer
	if err := WriteImport(&batch, ImportOptions{Queue: "SUPPORT", Status: "closed"}, mails); err != nil {
		t.Fatal(err)
	}
	s.call(s.control.URL, "POST", "/api/v1/import/mails", "", batch.String(), nil)
	token := s.token(ticketing.ScopeRead, false)
	var list List[Message]
	s.call(s.tcp.URL, "GET", "/api/v1/tickets/SUPPORT-7102/messages", token, "", &list)
	want := []string{"Words of 0." + sign[:len(sign)-1], "Words of 1." + sign[:len(sign)-1], "Words of 2.", "No signature.\n\nWords alone."}
	if len(list.Items) != len(want) {
		t.Fatalf("%d messages", len(list.Items))
	}
	for i, m := range list.Items {
		if m.NewText != want[i] {
			t.Errorf("message %d: %q, want %q", i, m.NewText, want[i])
		}
		var one Message
		s.call(s.tcp.URL, "GET", fmt.Sprintf("/api/v1/messages/%d", m.ID), token, "", &one)
		if one.NewText != m.NewText || one.Text != m.Text {
			t.Errorf("message %d alone: %q", i, one.NewText)
		}
	}
	for _, limit := range []int{1, 3, 4, 5} {
		var all []Message
		for next, pages := "0", 0; next != "" && pages < 6; pages++ {
			var page List[Message]
			s.call(s.tcp.URL, "GET", fmt.Sprintf("/api/v1/tickets/SUPPORT-7102/messages?after=%s&limit=%d", next, limit), token, "", &page)
			if len(page.Items) > limit {
				t.Errorf("a page of %d has %d", limit, len(page.Items))
			}
			all, next = append(all, page.Items...), page.Next
		}
		if !reflect.DeepEqual(all, list.Items) {
			t.Errorf("in pages of %d:\n%+v\nwant\n%+v", limit, all, list.Items)
		}
	}
	if text := list.Items[2].Text; text != "Words of 2."+sign {
		t.Errorf("the whole text is %q", text)
	}
}
