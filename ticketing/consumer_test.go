package ticketing

import "testing"

func TestFilterPasses(t *testing.T) {
	mail := Event{Type: "message.received", Queue: "SUPPORT", Actor: "mail", Facts: map[string]string{"author_proven": "dkim"}}
	bot := Event{Type: "reply.added", Queue: "SALES", Actor: "program:bot"}
	for _, c := range []struct {
		name      string
		filter    Filter
		mail, bot bool
	}{
		{"none", Filter{}, true, true},
		{"queue", Filter{Queues: []string{"SUPPORT", "HR"}}, true, false},
		{"type", Filter{Types: []string{"reply.added"}}, false, true},
		{"family of types", Filter{Types: []string{"message.*"}}, true, false},
		{"a prefix is no family", Filter{Types: []string{"message"}}, false, false},
		{"programs", Filter{Actor: "program"}, false, true},
		{"people", Filter{Actor: "human"}, true, false},
		{"proven", Filter{Proven: true}, true, false},
		{"all at once", Filter{Queues: []string{"SUPPORT"}, Types: []string{"*"}, Actor: "human", Proven: true}, true, false},
	} {
		if got := c.filter.passes(mail); got != c.mail {
			t.Errorf("%s: mail passes: %t", c.name, got)
		}
		if got := c.filter.passes(bot); got != c.bot {
			t.Errorf("%s: the program's reply passes: %t", c.name, got)
		}
	}
	old := Event{Type: "message.received", Queue: "SUPPORT", Actor: "staff:jane", Origin: OriginImport}
	if (Filter{}).passes(old) || !(Filter{Imported: true}).passes(old) {
		t.Error("what was imported passes unasked, or not when it is asked for")
	}
	for _, f := range []Filter{{Types: []string{""}}, {Types: []string{"a*b"}}, {Actor: "robot"}} {
		if f.check() == nil {
			t.Errorf("%+v is taken", f)
		}
	}
}
