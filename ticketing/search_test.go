package ticketing_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"postdesk/ticketing"
	desk "postdesk/ticketing/mail"
	"postdesk/ticketing/store"
)

// searchWorld is a desk with an index, and where that lies.
func searchWorld(t *testing.T) (w *world, dir string) {
	dir = t.TempDir()
	return newWorldOf(t, indexIn(t, dir)), dir
}

func indexIn(t *testing.T, dir string) func(*ticketing.Config) {
	return func(c *ticketing.Config) {
		x := store.OpenIndex(dir, nil)
		t.Cleanup(func() { x.Close() })
		c.Index = x
	}
}

// find gives the subjects of what is found, and of notes and replies their text. On a busy
// machine a page may end before it is full, because its time is over.
func (w *world) find(by ticketing.Actor, query string) (subjects []string) {
	w.t.Helper()
	for before := int64(0); ; {
		found, next, err := w.Search(w.ctx, by, query, before, 50)
		if err != nil || next != 0 && len(found) == 50 {
			w.t.Fatalf("%s: %v, next %d", query, err, next)
		}
		for _, f := range found {
			m, t, err := w.Message(w.ctx, f.Message.ID)
			if err != nil || m.Subject != f.Message.Subject || m.Kind != f.Message.Kind || !reflect.DeepEqual(t, f.Ticket) {
				w.t.Fatalf("%s: %+v is not as in its ticket (%v)", query, f, err)
			}
			subjects = append(subjects, cmp.Or(m.Body, m.Subject))
		}
		if before = next; next == 0 {
			return subjects
		}
	}
}

// indexed waits until what was written last is found.
func (w *world) indexed(word string) {
	w.t.Helper()
	w.until("the index has "+word, func() bool {
		found, _, err := w.Search(w.ctx, jane, word, 0, 1)
		if err != nil {
			w.t.Fatal(err)
		}
		return len(found) == 1
	})
}

func fillSearch(w *world) {
	for _, m := range []struct{ from, to, subject, body string }{
		{"jo@customer.example", "new@desk.example", "printer", "The printer is out of paper again, and out of toner."},
		{"jo@customer.example", "new@desk.example", "umlaut", "Der Drucker in der Hauptstraße hört nicht auf zu drucken, Grüße aus München"},
		{"=?utf-8?q?J=C3=B6rg_M=C3=BCller?= <jm@other.example>", "new@desk.example", "japanese", "お世話になっております。注文番号ABC123の商品がまだ届きません。サーバーの設定を確認してください。"},
		{"li@customer.example", "new@desk.example", "chinese", "我无法登录到系统，请帮我重置密码。"},
		{"kim@customer.example", "new@desk.example", "korean", "안녕하세요, 비밀번호를 잊어버렸습니다."},
		{"jo@customer.example", "sales@desk.example", "offer", "An offer for a printer, please: canary."},
		{"jo@customer.example", "new@desk.example", "RE: quoted", "No paper here.\n\nOn Monday, Jane wrote:\n> elephants are grey\n> and large\n"},
	} {
		w.send(m.from, m.to, m.subject, "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\nIn-Reply-To: <x@elsewhere.example>\r\n", m.body)
	}
	w.must(w.SetStatus(w.ctx, jane, "SUPPORT-7102", ticketing.StatusResolved))
	_, _, err := w.Reply(w.ctx, jane, ticketing.ReplyRequest{Ticket: "SUPPORT-7103", Text: "Zebra crossing"})
	w.must(nil, err)
	_, _, err = w.Reply(w.ctx, jane, ticketing.ReplyRequest{Ticket: "SUPPORT-7103", Text: "internal giraffe", Note: true})
	w.must(nil, err)
	w.indexed("giraffe")
}

// The newest comes first; each query says what it finds.
var searches = []struct{ query, want string }{
	{"printer", "offer printer"}, {"PRINTER", "offer printer"}, {"printer paper", "printer"}, {"paper", "RE: quoted printer"},
	{`"out of paper"`, "printer"}, {`"paper out of"`, ""}, {`"of paper again and out"`, "printer"}, {"„out of paper“", "printer"},
	{"printer -offer", "printer"}, {`printer -"out of paper"`, "offer"}, {"prin*", "offer printer"}, {"rinter", ""}, {"print", ""}, {"tone*", "printer"},
	{"elephants", ""}, {"quoted", "RE: quoted"}, {"from:jo printer", "offer printer"}, {"from:jo@customer.example paper", "RE: quoted printer"}, {"from:li printer", ""},
	{"from:muller", "japanese"}, {"FROM:Müller", "japanese"}, {`from:"jörg müller"`, "japanese"}, {"from:printer", ""}, {"jo@customer.example offer", "offer"},
	{"queue:SUPPORT printer", "printer"}, {"queue:sales printer", "offer"}, {"queue:support,sales printer", "offer printer"}, {"printer -queue:sales", "printer"},
	{"status:resolved printer", "printer"}, {"status:new,open printer", "offer"}, {"printer -status:resolved", "offer"}, {"printer -status:new,resolved", ""}, {"printer -status:closed -status:resolved", "offer"}, {"status:waiting zebra", "Zebra crossing"},
	{"hauptstrasse", "umlaut"}, {"HAUPTSTRASSE", "umlaut"}, {"Hauptstraße", "umlaut"}, {"munchen", "umlaut"}, {"MÜNCHEN", "umlaut"}, {"Mu\u0308nchen", "umlaut"}, {"grüß*", "umlaut"}, {"hort", "umlaut"},
	{"商品", "japanese"}, {"届きません", "japanese"}, {"サーバー", "japanese"}, {"ｻｰﾊﾞｰ", "japanese"}, {"注文番号ABC123", "japanese"}, {"ＡＢＣ１２３", "japanese"}, {"abc123", "japanese"}, {"品商", ""}, {"商*", "japanese"},
	{"登录", "chinese"}, {"重置密码", "chinese"}, {"登录 密码", "chinese"}, {"录登", ""}, {"密码 -登录", ""},
	{"비밀번호", "korean"}, {"잊어버렸", "korean"}, {"giraffe", "internal giraffe"}, {"zebra", "Zebra crossing"}, {"printer & toner!", "printer"}, {"OR", ""}, {"printer NOT toner", ""},
	{`"HORT nicht"`, "umlaut"}, {`"nicht hört"`, ""}, {`from:"muller jorg"`, ""}, {`"muller jm"`, "japanese"}, {`printer -"again out"`, "offer printer"}, {`printer -"again and"`, "offer"}, {"out-of-pap*", "printer"}, {"of-pap*", "printer"}, {"out-pap*", ""},
	{"バーバ", ""}, {"ーバー", "japanese"}, {"密码。", "chinese"}, {"密码 -码密", "chinese"}, {"登录 -重置密码", ""}, {"登录 -密码重置", "chinese"}, {"号ABC", ""}, {"号ABC*", "japanese"},
	{"http://printer", ""}, {"body:printer", ""}, {"canary", "offer"},
}

func checkSearches(t *testing.T, w *world) {
	t.Helper()
	for _, s := range searches {
		got := strings.Join(w.find(jane, s.query), " ")
		if got != s.want {
			t.Errorf("%s finds %q, want %q", s.query, got, s.want)
		}
	}
}

func TestSearch(t *testing.T) {
	w, _ := searchWorld(t)
	fillSearch(w)
	checkSearches(t, w)
	limited := ticketing.Actor{Kind: "program", Name: "x", Origin: "api", Queues: []string{"SUPPORT"}}
	for query, want := range map[string]string{"canary": "", "printer": "printer", "offer": "", "from:jo": "RE: quoted umlaut printer", "printer -queue:support": ""} {
		if got := strings.Join(w.find(limited, query), " "); got != want {
			t.Errorf("who is for SUPPORT alone finds %q by %s, want %q", got, query, want)
		}
	}
	var text []string
	for _, query := range []string{"printer queue:sales", "printer queue:none"} {
		_, _, err := w.Search(w.ctx, limited, query, 0, 10)
		if !errors.Is(err, ticketing.ErrInvalid) {
			t.Fatalf("%s: %v", query, err)
		}
		text = append(text, strings.ToLower(strings.NewReplacer("SALES", "", "NONE", "").Replace(err.Error())))
	}
	if text[0] != text[1] {
		t.Errorf("a queue that is hidden differs from one that is not there: %q", text)
	}
	if got := w.find(ticketing.Actor{Queues: []string{}}, "printer"); got != nil {
		t.Errorf("who is for no queue finds %q", got)
	}
}

// Pages go on where the one before ended, and miss nothing.
func TestSearchPages(t *testing.T) {
	w, _ := searchWorld(t)
	var want, got []string
	for i := range 23 {
		w.send("jo@customer.example", []string{"new@desk.example", "sales@desk.example"}[i%2], fmt.Sprint("mail ", i), "", "the same word")
		want = append(want, fmt.Sprint("mail ", i))
	}
	slices.Reverse(want)
	w.indexed(`"mail 22"`)
	for before := int64(0); ; {
		found, next, err := w.Search(w.ctx, jane, "same", before, 5)
		if err != nil || len(found) > 5 {
			t.Fatal(len(found), err)
		}
		for _, f := range found {
			got = append(got, f.Message.Subject)
		}
		if before = next; next == 0 {
			break
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// A phrase that few have of many with its words is found, at once or page by page.
func TestSearchPhraseOfMany(t *testing.T) {
	w, _ := searchWorld(t)
	w.send("jo@customer.example", "new@desk.example", "oldest", "", "the printer smokes")
	for i := range 150 {
		w.send("jo@customer.example", "new@desk.example", fmt.Sprint("mail ", i), "", "smokes the printer")
	}
	w.indexed(`"mail 149"`)
	if got := w.find(jane, `"printer smokes"`); !slices.Equal(got, []string{"oldest"}) {
		t.Errorf("%q", got)
	}
	if got := w.find(jane, `smokes -"smokes the printer"`); !slices.Equal(got, []string{"oldest"}) {
		t.Errorf("without the phrase: %q", got)
	}
}

// again runs a second desk on the store of the first one, with an index in dir.
func (w *world) again(t *testing.T, dir string, play func(*world)) {
	again := *w
	again.t = t
	cfg := ticketing.Config{Domain: "desk.example", Queues: []ticketing.Queue{{Key: "SUPPORT", Name: "Support", Addresses: []string{"new@desk.example"}, Domain: "desk.example"}, {Key: "SALES", Name: "Sales", Addresses: []string{"sales@desk.example"}, Domain: "desk.example"}},
		Verify: func(_ context.Context, _ []byte, m *desk.Message) desk.Authentication { return stubVerify(m) }}
	indexIn(t, dir)(&cfg)
	var err error
	if again.Desk, err = ticketing.New(w.ctx, cfg, w.store); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(w.ctx)
	done := make(chan struct{})
	go func() { defer close(done); again.Run(ctx) }()
	defer func() { stop(); <-done }()
	play(&again)
}

// An index that is away, spoiled or of another desk is made again of what the store has, and
// finds what the one before found.
func TestSearchRemade(t *testing.T) {
	w, dir := searchWorld(t)
	fillSearch(w)
	file := filepath.Join(dir, "search.db")
	if whole, err := os.ReadFile(file); err != nil || len(whole) == 0 {
		t.Fatalf("%d octets, %v", len(whole), err)
	}
	another := t.TempDir()
	for name, prepare := range map[string]func() string{
		"away": func() string { return t.TempDir() },
		"no index": func() string {
			return spoiled(t, []byte("this is none of SQLite's files, but some words of an operator"))
		},
		"empty": func() string { return spoiled(t, nil) },
		"of another desk": func() string {
			x := store.OpenIndex(another, nil)
			defer x.Close()
			w.must(x.State(w.ctx))
			w.must(nil, x.Apply(w.ctx, ticketing.IndexChange{Put: []ticketing.Document{{Message: 1, Queue: "SUPPORT", Text: []string{"canary"}}}}, ticketing.IndexState{Seq: 1 << 40, Built: 9, Until: 9}))
			return another
		},
	} {
		t.Run(name, func(t *testing.T) {
			w.again(t, prepare(), func(again *world) {
				again.indexed("giraffe")
				checkSearches(t, again)
			})
		})
	}
}

func spoiled(t *testing.T, content []byte) string {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "search.db"), content, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// What is wrong with a search is said in words, whatever was typed.
func TestSearchRefuses(t *testing.T) {
	w, _ := searchWorld(t)
	for _, query := range []string{"", "   ", "-printer", "!!!", `"unclosed`, "a*", "pr*", "status:foo x", "status:new status:open x", "queue:none x", "queue: x", "queue:a-b x", "status:new", "queue:SUPPORT", "status: x",
		strings.Repeat("x", 1001), strings.Repeat("x ", 33), "\xff", "-from:jo", "*", "from:"} {
		if _, _, err := w.Search(w.ctx, jane, query, 0, 10); !errors.Is(err, ticketing.ErrInvalid) || strings.Contains(strings.ToLower(err.Error()), "sql") {
			t.Errorf("%q: %v", query, err)
		}
	}
}

// The index costs a delivery nothing: with it the store is written to as often as without.
func TestSearchWritesApart(t *testing.T) {
	var writes []int64
	for _, prepare := range []func(*ticketing.Config){nil, indexIn(t, t.TempDir())} {
		w := newWorldOf(t, prepare)
		for i := range 5 {
			w.send("jo@customer.example", "new@desk.example", fmt.Sprint("mail ", i), "", "word")
		}
		if prepare != nil {
			w.indexed(`"mail 4"`)
		}
		w.until("all is done", func() bool {
			idle, err := w.Idle(w.ctx)
			return err == nil && idle
		})
		writes = append(writes, w.store.Stats().Writes)
	}
	if writes[0] != writes[1] {
		t.Errorf("%d writes without an index, %d with one", writes[0], writes[1])
	}
}

// searchBits are what somebody could type, and what means something to the database.
var searchBits = []string{"a", "printer", "\"", "*", "(", ")", "-", "+", "^", ":", "from:", "queue:", "status:", "SUPPORT", "new", "AND", "OR", "NOT", "NEAR(", "{author}", "author :", "'", ";", "--", "\\", "\x00", "\n", "\t", " ", "  ",
	"商品", "ー", "é", "e\u0301", "\u0301", "\u0e31", "\ue000support", "ß", "İ", "😀", "½", "ﷺ", "%", "_", "words_0", "rank", "abc*", "-x", "\u200b", "＂", "„", "،"}

// No search fails, of thousands that are made at random.
func TestSearchNeverFails(t *testing.T) {
	w, _ := searchWorld(t)
	fillSearch(w)
	random := rand.New(rand.NewPCG(1, 2))
	for range 5000 {
		var query strings.Builder
		for range 1 + random.IntN(12) {
			query.WriteString(searchBits[random.IntN(len(searchBits))])
			if random.IntN(3) == 0 {
				query.WriteByte(' ')
			}
		}
		if _, _, err := w.Search(w.ctx, jane, query.String(), 0, 10); err != nil && !errors.Is(err, ticketing.ErrInvalid) {
			t.Fatalf("%q: %v", query.String(), err)
		}
	}
}

// What is typed never fails; what is indexed of a word finds it.
func FuzzSearch(f *testing.F) {
	x := store.OpenIndex(f.TempDir(), nil)
	f.Cleanup(func() { x.Close() })
	db, err := store.Open(context.Background(), f.TempDir(), store.Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { db.Close() })
	d, err := ticketing.New(context.Background(), ticketing.Config{Index: x, Domain: "desk.example", Queues: []ticketing.Queue{{Key: "SUPPORT", Name: "Support", Addresses: []string{"new@desk.example"}, Domain: "desk.example"}},
		Verify: func(context.Context, []byte, *desk.Message) (a desk.Authentication) { return a }}, db)
	if err != nil {
		f.Fatal(err)
	}
	if _, err := x.State(context.Background()); err != nil {
		f.Fatal(err)
	}
	for _, bit := range searchBits {
		f.Add("printer "+bit, bit)
	}
	f.Fuzz(func(t *testing.T, query, text string) {
		if _, _, err := d.Search(t.Context(), jane, query, 0, 10); err != nil && !errors.Is(err, ticketing.ErrInvalid) {
			t.Fatalf("%q: %v", query, err)
		}
		words := ticketing.SearchWords(text)
		if err := x.Apply(t.Context(), ticketing.IndexChange{Put: []ticketing.Document{{Message: 7, Queue: "SUPPORT", Text: words}}}, ticketing.IndexState{Seq: 1, Built: 1, Until: 1}); err != nil {
			t.Fatal(err)
		}
		for _, word := range words {
			ids, _, err := x.Find(t.Context(), ticketing.IndexQuery{Terms: []ticketing.SearchTerm{{Words: []string{word}}}, Queues: []string{"SUPPORT"}}, 0, 10)
			if err != nil || len(ids) != 1 {
				t.Fatalf("%q of %q: %v %v", word, text, ids, err)
			}
		}
	})
}
