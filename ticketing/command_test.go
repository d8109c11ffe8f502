package ticketing

import (
	"strings"
	"testing"
)

// show writes an order in one line.
func (o order) show() string {
	var out []string
	add := func(format string, on bool) {
		if on {
			out = append(out, format)
		}
	}
	add("note", o.note)
	add("help", o.help)
	if o.mute != nil {
		add("mute", *o.mute)
		add("unmute", !*o.mute)
	}
	if o.verdict != nil {
		add("accept", *o.verdict)
		add("dismiss", !*o.verdict)
	}
	out = append(out, o.change.words()...)
	return strings.Join(append(out, "text="+strings.ReplaceAll(o.text, "\n", "|")), "; ")
}

func TestCommands(t *testing.T) {
	for _, c := range []struct{ name, in, want, problem string }{
		{"plain answer", "Hello Jo,\n\nit works.", "text=Hello Jo,||it works.", ""},
		{"note", "!note\nHe is angry.", "note; text=He is angry.", ""},
		{"note on the line", "!note He is angry.\nVery.", "note; text=He is angry.|Very.", ""},
		{"one", "!assign me", "assigned to me; text=", ""},
		{"nobody", "!assign nobody\n", "assigned to nobody; text=", ""},
		{"several, then text", "!assign bob\n!status resolved\n!prio high\n!tag vip, login\n!untag old\n\nDone, Jo.",
			"assigned to bob; status resolved; priority high; tagged vip login; tags removed: old; text=Done, Jo.", ""},
		{"blank lines between", "\n\n!assign me\n\n!status open\n\nHello", "assigned to me; status open; text=Hello", ""},
		{"any case, CRLF, colon", "!Status: RESOLVED\r\n!PRIO Low\r\nBye\r\n", "status resolved; priority low; text=Bye", ""},
		{"requester", "!requester Jo Doe <Jo@Customer.Example>", "the customer is now jo@customer.example; text=", ""},
		{"mute and back", "!unsubscribe", "mute; text=", ""},
		{"subscribe", "!subscribe", "unmute; text=", ""},
		{"held", "!accept\nThank you, Jo.", "accept; text=Thank you, Jo.", ""},
		{"dismiss", "!dismiss", "dismiss; text=", ""},
		{"help", "!help", "help; text=", ""},
		{"not on the first lines", "Type\n!note\nat the prompt.", "text=Type|!note|at the prompt.", ""},
		{"exclamations are text", "!!! read this\nplease", "text=!!! read this|please", ""},
		{"a mark alone is text", "!\nx", "text=!|x", ""},
		{"a number is text", "!1 of 2", "text=!1 of 2", ""},
		{"wide mark", "！note\nsecret", "note; text=secret", ""},
		{"invisible marks before it", "\u200b\ufeff\u00a0!note\nsecret", "note; text=secret", ""},
		{"in bold", "**!note**\nsecret", "note; text=secret", ""},
		{"space behind the mark", "! note\nsecret", "note; text=secret", ""},
		{"unknown", "!assing me\n\nHello", "", "!assing is no command"},
		{"unknown after a good one", "!assign me\n!nota\nsecret", "", "!nota is no command"},
		{"unknown in another script", "!заметка\nsecret", "", "!заметка is no command"},
		{"no name", "!assign", "", "want one name"},
		{"two names", "!assign bob and eve", "", "want one name"},
		{"wrong status", "!status done", "", "!status done: want one of new open"},
		{"wrong priority", "!prio 1", "", "!prio 1: want one of low"},
		{"no tag", "!tag", "", "!tag: want a word"},
		{"wrong tag", "!tag a<b", "", "!tag a<b: a tag is letters"},
		{"no address", "!requester Jo", "", "no mail address"},
		{"twice", "!status open\n!status closed", "", "!status: said twice"},
		{"both verdicts", "!accept\n!dismiss", "", "said twice"},
		{"text behind a bare word", "!accept it please", "", "nothing can stand behind it"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o, problems := parseOrder(c.in)
			all := strings.Join(problems, " ")
			if c.problem != "" {
				if !strings.Contains(all, c.problem) {
					t.Errorf("problems %q, want %q", all, c.problem)
				}
				return
			}
			if got := o.show(); got != c.want || all != "" {
				t.Errorf("got  %s (%s)\nwant %s", got, all, c.want)
			}
		})
	}
}

// Whatever is written, no line that begins as a command does is taken for text at the
// top, and nothing is lost of what is text.
func FuzzCommands(f *testing.F) {
	f.Add("!note\nx")
	f.Add("!assign me\n\u200b！status open\n\nHello\n!x")
	f.Add("**!tag a,b**\n> !note")
	f.Add("Hello,\r\n> you\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		o, problems := parseOrder(text)
		if len(problems) > 0 {
			return
		}
		top, _, _ := strings.Cut(o.text, "\n")
		if word, _, ok := cutCommand(visible(top)); ok && !o.note {
			t.Errorf("%q would be sent to a customer, with %q", o.text, word)
		}
		if !o.hasCommands && visible(o.text) != visible(strings.ReplaceAll(text, "\r\n", "\n")) {
			t.Errorf("%q became %q", text, o.text)
		}
		for _, tag := range o.change.AddTags {
			if again, err := cleanTag(tag); err != nil || again != tag {
				t.Errorf("tag %q: %q, %v", tag, again, err)
			}
		}
	})
}
