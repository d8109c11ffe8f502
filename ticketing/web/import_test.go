package web

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"postdesk/ticketing"
)

// A history comes in at the control socket alone, and a batch that is cut off adds nothing.
func TestImport(t *testing.T) {
	s := newSite(t)
	var mails []ticketing.ImportMail
	for n := range 3 {
		raw := fmt.Appendf(nil, "From: jo@customer.example\nMessage-ID: <%d@old>\nSubject: [#7%d] old\n\nWords of %d.\n", n, n, n)
		mails = append(mails, ticketing.ImportMail{Key: sha256.Sum256(raw), Date: time.Date(2024, 2, 1, 10, n, 0, 0, time.UTC), Raw: raw})
	}
	mails[1].Anchor = mails[0].Key
	var batch bytes.Buffer
	if err := WriteImport(&batch, ImportOptions{Queue: "SUPPORT", Status: "closed"}, mails); err != nil {
		t.Fatal(err)
	}
	const path = "/api/v1/import/mails"
	if res := s.call(s.tcp.URL, "POST", path, s.token(ticketing.ScopeWrite, false), batch.String(), nil); res.StatusCode != http.StatusForbidden {
		t.Errorf("a token imports: %d", res.StatusCode)
	}
	whole := batch.String()
	for name, wrong := range map[string]string{
		"cut off":     whole[:len(whole)-5],
		"no options":  "x",
		"no queue":    strings.Replace(whole, "SUPPORT", "NONE", 1),
		"a wrong key": strings.Replace(whole, `"key":"`, `"key":"x`, 1),
		"a size":      strings.Replace(whole, `"size":`, `"size":-`, 1),
		"too large":   strings.Replace(whole, `"size":`, `"size":999999999`, 1),
	} {
		if res := s.call(s.control.URL, "POST", path, "", wrong, nil); res.StatusCode != http.StatusUnprocessableEntity {
			t.Errorf("%s: %d", name, res.StatusCode)
		}
	}
	keys := fmt.Sprintf(`{"queue":"SUPPORT","status":"closed","keys":["%s","%s"]}`, mails[2].Key, ticketing.Hash{1})
	known := func(want string) {
		t.Helper()
		var out ImportKnown
		s.call(s.control.URL, "POST", "/api/v1/import/known", "", keys, &out)
		if got := fmt.Sprint(out.Known); got != want {
			t.Errorf("known: %s, want %s", got, want)
		}
	}
	known("[false false]")
	var sum ticketing.ImportResult
	s.call(s.control.URL, "POST", path, "", whole, &sum)
	if sum != (ticketing.ImportResult{Added: 3, Tickets: 2}) {
		t.Errorf("%+v", sum)
	}
	known("[true false]")
	showImported(t, s)
	var plan ImportPlan
	s.call(s.control.URL, "POST", "/api/v1/import/plan", "", `{"queue":"support","status":"open"}`, &plan)
	if len(plan.Patterns) == 0 {
		t.Error("no patterns of the desk's addresses")
	}
}

// showImported finds a ticket by its old number, and the words of its mails.
func showImported(t *testing.T, s *site) {
	t.Helper()
	token := s.token(ticketing.ScopeRead, false)
	var list List[Ticket]
	s.call(s.tcp.URL, "GET", "/api/v1/tickets?alias=72", token, "", &list)
	if len(list.Items) != 1 || list.Items[0].Name != "SUPPORT-7103" {
		t.Errorf("%+v", list)
	}
	var detail TicketDetail
	s.call(s.tcp.URL, "GET", "/api/v1/tickets/%2371", token, "", &detail)
	var messages List[Message]
	s.call(s.tcp.URL, "GET", "/api/v1/tickets/%2371/messages", token, "", &messages)
	if detail.Name != "SUPPORT-7102" || fmt.Sprint(detail.Aliases) != "[#70 #71]" || len(messages.Items) != 2 || messages.Items[1].NewText != "Words of 1." {
		t.Errorf("%+v %+v", detail, messages)
	}
}
