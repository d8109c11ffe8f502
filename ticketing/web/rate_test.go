package web

import (
	"errors"
	"net/http"
	"strconv"
	"testing"
	"time"

	"postdesk/ticketing"
)

// Ten seconds' share at once, then as it comes; each key for itself.
func TestRates(t *testing.T) {
	now := time.Unix(1000, 0)
	r := newRates(2)
	r.now = func() time.Time { return now }
	taken := func(key string) (n int, busy ticketing.Busy) {
		for ; n < 1000; n++ {
			if errors.As(r.take(key), &busy) {
				return n, busy
			}
		}
		return n, busy
	}
	if n, busy := taken("a"); n != 20 || busy.After != 500*time.Millisecond {
		t.Errorf("%d at once, then a pause of %s; want 20 and 500ms", n, busy.After)
	}
	if n, _ := taken("b"); n != 20 {
		t.Errorf("another key: %d at once", n)
	}
	now = now.Add(500 * time.Millisecond)
	if n, _ := taken("a"); n != 1 {
		t.Errorf("after the pause: %d", n)
	}
	now = now.Add(time.Hour)
	if n, _ := taken("a"); n != 20 {
		t.Errorf("after an hour: %d", n)
	}
	for i := range bucketsMax + 10 {
		now = now.Add(time.Millisecond)
		_ = r.take(strconv.Itoa(i))
	}
	if len(r.buckets) > bucketsMax {
		t.Errorf("%d keys are remembered", len(r.buckets))
	}
	if err := newRates(0).take("a"); err != nil {
		t.Errorf("without a limit: %v", err)
	}
}

// Who asks too much is told when to come back, also who has no token; others go on.
func TestTooManyRequests(t *testing.T) {
	s := newSite(t)
	s.web.tokens, s.web.guests = newRates(1), newRates(1)
	busy, calm := s.token(ticketing.ScopeRead, false), s.token(ticketing.ScopeRead, false)
	until := func(secret string) *http.Response {
		for range 100 {
			if res := s.call(s.tcp.URL, "GET", "/api/v1/tickets", secret, "", nil); res.StatusCode == 429 {
				return res
			}
		}
		t.Fatal("there is no limit")
		return nil
	}
	for what, secret := range map[string]string{"a token": busy, "a secret that is not known": "pd_guess"} {
		if after, err := strconv.Atoi(until(secret).Header.Get("Retry-After")); err != nil || after < 1 || after > 2 {
			t.Errorf("%s: come back after %d s, %v", what, after, err)
		}
	}
	if res := s.call(s.tcp.URL, "GET", "/api/v1/tickets", calm, "", nil); res.StatusCode != 200 {
		t.Errorf("another token: %d", res.StatusCode)
	}
	for range 30 { // whoever holds the socket is no stranger
		if res := s.call(s.control.URL, "GET", "/api/v1/tickets", "", "", nil); res.StatusCode != 200 {
			t.Fatalf("at the control socket: %d", res.StatusCode)
		}
	}
}
