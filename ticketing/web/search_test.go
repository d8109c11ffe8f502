package web

import (
	"net/url"
	"strings"
	"testing"

	"postdesk/ticketing"
)

// A search over HTTP: pages, and what is wrong with it in words.
func TestSearch(t *testing.T) {
	s := newSite(t)
	for n := range 3 {
		s.mail(n)
	}
	secret := s.token(ticketing.ScopeRead, false)
	get := func(query string) (code int, hits Hits, problem struct{ Detail string }) {
		var text struct {
			Hits
			Detail string
		}
		res := s.call(s.tcp.URL, "GET", "/api/v1/search?"+query, secret, "", &text)
		return res.StatusCode, text.Hits, struct{ Detail string }{text.Detail}
	}
	s.until("the words are indexed", func() bool {
		_, hits, _ := get("q=help")
		return len(hits.Items) == 3 && !hits.Filling // it says that a moment after
	})
	_, first, _ := get("q=help+from:jo&limit=2")
	_, second, _ := get("q=help+from:jo&limit=2&cursor=" + first.Next)
	if len(first.Items) != 2 || len(second.Items) != 1 || second.Next != "" || first.Items[0].Subject != "mail 2" || second.Items[0].Ticket.Name != "SUPPORT-7102" || first.Filling {
		t.Errorf("%+v %+v", first, second)
	}
	for query, want := range map[string]string{"": "no word", `"open`: "not closed", "a*": "letters before", "x status:odd": "odd", "x queue:odd": "no queue ODD", "-x": "no word"} {
		if code, _, problem := get("q=" + url.QueryEscape(query)); code != 400 || !strings.Contains(problem.Detail, want) {
			t.Errorf("%q: %d %s, want 400 with %q", query, code, problem.Detail, want)
		}
	}
	if code, _, problem := get("q=help&cursor=x"); code != 400 || !strings.Contains(problem.Detail, "cursor") {
		t.Errorf("%d %s", code, problem.Detail)
	}
}
