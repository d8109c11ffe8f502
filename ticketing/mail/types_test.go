package mail

import "testing"

// A second From, a group, or a doubled singleton field proves nobody.
func TestSoleAuthor(t *testing.T) {
	one := []Address{{Address: "jo@customer.example"}}
	cases := map[string]struct {
		m    Message
		want bool
	}{
		"one From":        {Message{From: one, FromFields: 1}, true},
		"no From":         {Message{}, false},
		"two From fields": {Message{From: one, FromFields: 2}, false},
		"two mailboxes":   {Message{From: append(one, one...), FromFields: 1}, false},
		"group":           {Message{From: one, FromFields: 1, FromGroup: true}, false},
		"Subject twice":   {Message{From: one, FromFields: 1, Duplicates: []string{"Subject"}}, false},
	}
	for name, c := range cases {
		if _, got := c.m.SoleAuthor(); got != c.want {
			t.Errorf("%s: SoleAuthor = %v, want %v", name, got, c.want)
		}
	}
}
