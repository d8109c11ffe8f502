package main

import (
	"testing"
	"time"

	"postdesk/ticketing/web"
)

func TestFate(t *testing.T) {
	at := time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)
	for want, o := range map[string]web.Outgoing{
		"submitted: 250 2.0.0 Ok":         {State: "submitted", LastReply: "250 2.0.0 Ok"},
		"failed for good: 550 5.1.1 gone": {State: "failed", Permanent: true, Status: "5.1.1", LastReply: "550 5.1.1 gone"},
		"failed for now; postdesk queue retry 7 sends it again (4.4.7): too old": {ID: 7, State: "failed", Status: "4.4.7", LastReply: "too old"},
		"delayed; the next server goes on trying (4.4.1): timed out":             {State: "delayed", Status: "4.4.1", LastReply: "timed out"},
		"failed for now; goes out again at " + shortTime(at) + " (4.2.2): full":  {State: "queued", Resubmitted: 1, NextAttempt: at, Status: "4.2.2", LastReply: "full"},
		"queued": {State: "queued"},
	} {
		if got := fate(o); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
