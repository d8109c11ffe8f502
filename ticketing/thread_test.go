package ticketing

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"postdesk/ticketing/mail"
)

const deskAddress = "desk@desk.example"

// threads gives the mails of each thread by their numbers, in order: "0 2, 1".
func threads(t *testing.T, raws ...string) string {
	t.Helper()
	var mails []ThreadMail
	aliases, err := NewAliases(nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, raw := range raws {
		m := mail.Parse([]byte(strings.ReplaceAll(raw, "|", "\n") + "\n\nbody\n"))
		at := time.Date(2024, 2, 1, 10, i, 0, 0, time.UTC)
		mails = append(mails, NewThreadMail(m, aliases, func(a string) bool { return a == deskAddress }, MailDate(m, at, at, at)))
	}
	return grouped(Thread(mails))
}

func grouped(places []Place) string {
	var order []int
	members := map[int][]string{}
	for _, p := range places {
		if members[p.Thread] == nil {
			order = append(order, p.Thread)
		}
		members[p.Thread] = append(members[p.Thread], fmt.Sprint(p.Index))
	}
	var out []string
	for _, root := range order {
		out = append(out, strings.Join(members[root], " "))
	}
	return strings.Join(out, ", ")
}

func TestThread(t *testing.T) {
	const ann, bob = "From: ann@example.org|To: desk@desk.example|", "From: bob@example.net|To: desk@desk.example|"
	const toAnn = "From: desk@desk.example|To: ann@example.org|"
	for name, c := range map[string]struct {
		mails []string
		want  string
	}{
		"references": {[]string{ann + "Message-ID: <a@x>|Subject: one", ann + "Message-ID: <b@x>|References: <a@x>|Subject: two", ann + "Message-ID: <c@x>|In-Reply-To: <b@x>|Subject: three"}, "0 1 2"},
		"an answer before its parent in the file and in time": {[]string{ann + "Message-ID: <b@x>|References: <a@x>|Subject: Re: one|Date: 1 Feb 2024 09:00:00 +0000",
			ann + "Message-ID: <a@x>|Subject: one|Date: 1 Feb 2024 10:00:00 +0000"}, "1 0"},
		"answers to a mail that is missing":        {[]string{ann + "Message-ID: <b@x>|References: <a@x>|Subject: Re: one", bob + "Message-ID: <c@x>|References: <a@x>|Subject: AW: one"}, "0 1"},
		"nothing in common but a missing id":       {[]string{ann + "Message-ID: <b@x>|References: <reply@x>|Subject: one", bob + "Message-ID: <c@x>|References: <reply@x>|Subject: two"}, "0, 1"},
		"reply prefix, subject and a person":       {[]string{ann + "Message-ID: <a@x>|Subject: The printer", toAnn + "Message-ID: <b@x>|Subject: RE: the  Printer", ann + "Subject: Antw: Re: The printer"}, "0 1 2"},
		"another person":                           {[]string{ann + "Message-ID: <a@x>|Subject: The printer", bob + "Message-ID: <b@x>|Subject: Re: The printer"}, "0, 1"},
		"no reply prefix":                          {[]string{ann + "Message-ID: <a@x>|Subject: The printer", ann + "Message-ID: <b@x>|Subject: The printer"}, "0, 1"},
		"an answer to nothing that is here":        {[]string{ann + "Subject: Re: The printer", ann + "Subject: The printer"}, "0, 1"},
		"an answer without a subject":              {[]string{ann + "Subject: ", ann + "Subject: Re:"}, "0, 1"},
		"a year later":                             {[]string{ann + "Subject: The printer|Date: 1 Feb 2023 10:00:00 +0000", ann + "Subject: Re: The printer|Date: 1 Feb 2024 10:00:00 +0000"}, "0, 1"},
		"references to elsewhere, and the subject": {[]string{ann + "Message-ID: <a@x>|Subject: one", ann + "Message-ID: <b@x>|References: <gone@x>|Subject: Re: one"}, "0 1"},
		"references are stronger than the subject": {[]string{ann + "Message-ID: <a@x>|Subject: one", ann + "Message-ID: <b@x>|Subject: one", ann + "Message-ID: <c@x>|In-Reply-To: <a@x>|Subject: Re: one"}, "0 2, 1"},
		"old numbers tell threads apart":           {[]string{ann + "Message-ID: <a@x>|Subject: [#1] one", ann + "Message-ID: <b@x>|Subject: [#2] one", ann + "Subject: Re: [#1] one", ann + "Subject: Re: [#2] one"}, "0 2, 1 3"},
		"an old number that came later":            {[]string{ann + "Message-ID: <a@x>|Subject: one", toAnn + "Subject: Re: [Ticket 7] one", ann + "Subject: Re: [Ticket 7] one"}, "0 1 2"},
		"one id for all mails of a program":        {[]string{ann + "Message-ID: <id@x>|Subject: one", ann + "Message-ID: <id@x>|Subject: two", bob + "Message-ID: <c@x>|References: <id@x>|Subject: three"}, "0, 1, 2"},
		"copies of a mail":                         {[]string{ann + "Message-ID: <a@x>|Subject: one", ann + "Message-ID: <a@x>|Subject: one|X-List: y"}, "0 1"},
		"a circle":                                 {[]string{ann + "Message-ID: <a@x>|References: <b@x>|Subject: one", ann + "Message-ID: <b@x>|References: <a@x>|Subject: one"}, "0 1"},
		"a mail answers itself":                    {[]string{ann + "Message-ID: <a@x>|References: <a@x>|Subject: one"}, "0"},
		"nothing at all":                           {nil, ""},
		"no header":                                {[]string{"x", "y"}, "0, 1"},
	} {
		if got := threads(t, c.mails...); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// anyMails draws mails that refer to each other, to missing ones and in circles.
func anyMails(t *rapid.T) []ThreadMail {
	id := rapid.Uint64Range(0, 12)
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) ThreadMail {
		return ThreadMail{
			ID: id.Draw(t, "id"), Refs: rapid.SliceOfN(rapid.Uint64Range(1, 14), 0, 3).Draw(t, "refs"), Subject: rapid.Uint64Range(0, 3).Draw(t, "subject"),
			Tag: rapid.Uint64Range(0, 2).Draw(t, "tag"), Reply: rapid.Bool().Draw(t, "reply"), People: rapid.SliceOfN(rapid.Uint64Range(1, 4), 0, 2).Draw(t, "people"),
			Date: rapid.Int64Range(0, 1000).Draw(t, "date"),
		}
	}), 0, 14).Draw(t, "mails")
}

// Every mail has one place, its parent stands before it and in its thread, and its
// thread is named by the first in it.
func TestThreadOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		mails := anyMails(t)
		thread := map[int]int{}
		for _, p := range Thread(mails) {
			if _, twice := thread[p.Index]; twice {
				t.Fatal("a mail stands twice")
			}
			thread[p.Index] = p.Thread
			if at, before := thread[p.Thread]; !before || at != p.Thread {
				t.Fatal("a thread is not named by its first mail")
			}
			if p.Parent < 0 {
				continue
			}
			if at, before := thread[p.Parent]; !before || at != p.Thread {
				t.Fatal("a parent does not stand before its answer in one thread")
			}
		}
		if len(thread) != len(mails) {
			t.Fatal("a mail is missing")
		}
	})
}

// The order of the mails in their file does not matter. Dates differ here: of two mails
// of one second nobody knows which was first.
func TestThreadShuffled(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		mails := anyMails(t)
		for i := range mails {
			mails[i].Date = mails[i].Date*100 + int64(i)
		}
		perm := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0)).Perm(len(mails))
		shuffled := make([]ThreadMail, len(mails))
		for i, to := range perm {
			shuffled[to] = mails[i]
		}
		if a, b := partition(Thread(mails), nil), partition(Thread(shuffled), perm); !slices.Equal(a, b) {
			t.Fatalf("%v, shuffled %v", a, b)
		}
	})
}

// partition gives for each mail the lowest number in its thread.
func partition(places []Place, perm []int) []int {
	back := make([]int, len(places))
	for i := range back {
		back[i] = i
		if perm != nil {
			back[perm[i]] = i
		}
	}
	if perm != nil {
		inverse := make([]int, len(perm))
		for i, to := range perm {
			inverse[to] = i
		}
		back = inverse
	}
	lowest := map[int]int{}
	for _, p := range places {
		if at, known := lowest[p.Thread]; !known || back[p.Index] < at {
			lowest[p.Thread] = back[p.Index]
		}
	}
	out := make([]int, len(places))
	for _, p := range places {
		out[back[p.Index]] = lowest[p.Thread]
	}
	return out
}

func TestAliases(t *testing.T) {
	usual, err := NewAliases(nil)
	if err != nil {
		t.Fatal(err)
	}
	own, err := NewAliases([]string{`\bHD-[0-9]+\b`})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		in            Aliases
		subject, rest string
		found         []string
	}{
		{usual, "[#1234] The printer", "The printer", []string{"#1234"}},
		{usual, "Re: [Ticket 1234] The printer", "Re: The printer", []string{"#1234"}},
		{usual, "[Ticket#2024010112000034] The printer", "The printer", []string{"#2024010112000034"}},
		{usual, "RE: [example.org #77] The printer", "RE: The printer", []string{"#77"}},
		{usual, "[Request ID: 5] The printer (Case 6)", "The printer", []string{"#5", "#6"}},
		{usual, "[2024] in review, [v2] #7 of (8)", "[2024] in review, [v2] #7 of (8)", nil},
		{usual, "[list] 12 questions", "[list] 12 questions", nil},
		{own, "Re: hd-1, HD-12 again [#4]", "Re: hd-1, again [#4]", []string{"HD-12"}},
	} {
		rest, found := c.in.Split(c.subject)
		if rest = strings.Join(strings.Fields(rest), " "); rest != c.rest || !slices.Equal(found, c.found) {
			t.Errorf("%q: %q %q, want %q %q", c.subject, rest, found, c.rest, c.found)
		}
	}
	if _, err := NewAliases([]string{"("}); err == nil {
		t.Error("a wrong pattern is taken")
	}
	for name, want := range map[string]string{"#12": "#12", "12": "#12", "[#12]": "#12", "[Ticket 12]": "#12", "ticket: 12": "#12", "Request ID: 12": "#12",
		"[example.org #12]": "#12", "hd-12": "HD-12", " ": ""} {
		if got := CanonicalAlias(name); got != want {
			t.Errorf("%q is %q, want %q", name, got, want)
		}
	}
}

func BenchmarkThread(b *testing.B) {
	rnd := rand.New(rand.NewPCG(1, 2))
	mails := make([]ThreadMail, 100_000)
	for i := range mails {
		mails[i] = ThreadMail{ID: uint64(i + 1), Subject: rnd.Uint64N(30_000) + 1, People: []uint64{rnd.Uint64N(5000) + 1}, Date: int64(i), Reply: i%3 > 0}
		if i > 0 && i%3 == 1 {
			mails[i].Refs = []uint64{rnd.Uint64N(uint64(i)) + 1}
		}
	}
	for b.Loop() {
		Thread(mails)
	}
}
