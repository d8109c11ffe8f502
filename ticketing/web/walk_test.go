package web

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"postdesk/ticketing"
	"postdesk/ticketing/mail"
)

// The canary is in everything of the queue SALES, and in nothing of SUPPORT.
const (
	canary  = "canary"
	sales   = "SALES-500"
	saleRef = "canary:sale#1"
)

// walker plays every operation of the OpenAPI document against the ticket of SALES.
type walker struct {
	*site
	ids      []string // of messages of SALES
	outgoing []string // its mail that goes out
	seqs     []string // of its events
	consumer string
}

func newWalker(t *testing.T) *walker {
	w := &walker{site: newSite(t, ticketing.Queue{Key: "SALES", Name: "Sales", Addresses: []string{"buy@desk.example"}, Domain: "desk.example", FirstNumber: 500}), consumer: "canary"}
	w.mail(1) // SUPPORT-7102
	ctx, admin := t.Context(), ticketing.Actor{Kind: "staff", Name: "boss", Origin: "cli"}
	raw := "From: canary@customer.example\r\nMessage-ID: <canary@customer.example>\r\nSubject: canary %d\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\ncanary\r\n--b\r\n" +
		"Content-Type: text/plain\r\nContent-Disposition: attachment; filename=\"canary.txt\"\r\n\r\ncanary\r\n--b--\r\n"
	w.arrive("buy@desk.example", fmt.Sprintf(raw, 1))
	w.arrive(sales+"@desk.example", "From: stranger@canary.example\r\nSubject: canary\r\n\r\nheld canary\r\n") // nothing proves it: held
	w.ok(w.desk.Reply(ctx, admin, ticketing.ReplyRequest{Ticket: sales, Text: "answer to canary", Files: []ticketing.File{{Name: "canary.pdf", Content: []byte("canary")}}}))
	w.ok(w.desk.Reply(ctx, admin, ticketing.ReplyRequest{Ticket: sales, Text: "note of canary", Note: true}))
	_, err := w.desk.AddReference(ctx, admin, sales, saleRef)
	w.fine(err)
	_, err = w.desk.PutConsumer(ctx, admin, w.consumer, ticketing.Filter{}, 0)
	w.fine(err)
	w.fine(w.desk.Bury(ctx, admin, ticketing.DeadLetter{Consumer: w.consumer, Seq: 3, Reason: "canary", Tries: 1}))
	w.fine(w.db.Write(ctx, func(tx ticketing.Tx) error {
		ours, err := tx.TicketByName("SUPPORT", 7102)
		if err != nil {
			return err
		}
		theirs, err := tx.TicketByName("SALES", 500)
		if err != nil {
			return err
		}
		ours.Linked = theirs.ID
		for _, id := range []int64{ours.ID, theirs.ID} {
			if err := tx.AddAlias("#77", id); err != nil { // of both
				return err
			}
		}
		return tx.UpdateTicket(ours)
	}))
	w.look()
	return w
}

func (w *walker) arrive(to, raw string) {
	w.t.Helper()
	w.fine(w.desk.Deliver(w.t.Context(), mail.Envelope{ReversePath: "canary@customer.example", Recipients: []string{to}}, strings.NewReader(raw))[0].Err)
	w.settled()
}

func (w *walker) fine(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *walker) ok(_, _ any, err error) { w.t.Helper(); w.fine(err) }

// look finds the numbers of what is in SALES, once the answer is queued.
func (w *walker) look() {
	w.t.Helper()
	w.until("the answer is queued", func() bool {
		out, err := w.desk.Outgoing(w.t.Context(), nil, 0, 10)
		w.fine(err)
		if len(out) > 0 {
			w.outgoing = append(w.outgoing, fmt.Sprint(out[0].ID))
		}
		return len(out) > 0
	})
	c, err := w.desk.Ticket(w.t.Context(), sales)
	w.fine(err)
	for _, m := range c.Messages {
		w.ids = append(w.ids, fmt.Sprint(m.ID))
	}
	w.until("the words are indexed", func() bool {
		found, _, err := w.desk.Search(w.t.Context(), ticketing.Actor{}, canary, 0, 10)
		w.fine(err)
		return len(found) == len(c.Messages) && w.desk.SearchFilled() // it says that a moment after
	})
	events, err := w.desk.EventsOf(w.t.Context(), sales, 0, 100)
	w.fine(err)
	for _, e := range events {
		w.seqs = append(w.seqs, fmt.Sprint(e.Seq))
	}
}

// bodies are requests that would work on the ticket of SALES, by operation.
var bodies = map[string]string{
	"openTicket":        `{"queue":"SALES","to":"canary@customer.example","subject":"x","text":"x"}`,
	"addReply":          `{"text":"x"}`,
	"addNote":           `{"text":"x"}`,
	"updateTicket":      `{"status":"closed"}`,
	"addReference":      `{"reference":"other:1"}`,
	"addQuestion":       `{"address":"third@party.example","text":"x"}`,
	"addParticipant":    `{"address":"canary2@customer.example"}`,
	"muteParticipant":   `{"muted":true}`,
	"putConsumer":       `{"queues":["SALES"]}`,
	"seekConsumer":      `{"seq":0}`,
	"acknowledge":       `{"seq":1}`,
	"buryEvent":         `{"seq":4,"reason":"x"}`,
	"createToken":       `{"name":"x","scope":"admin"}`,
	"planImport":        `{"queue":"SALES","status":"closed"}`,
	"knownImport":       `{"queue":"SALES","status":"closed","keys":[]}`,
	"addImport":         "{\"queue\":\"SALES\",\"status\":\"closed\"}\n",
	"exportPerson":      `{"address":"canary@customer.example"}`,
	"erasePerson":       `{"address":"canary@customer.example"}`,
	"retire":            `{"dry_run":true}`,
	"redactMessage":     `{"why":"x"}`,
	"explain":           "Subject: x\r\n\r\nx",
	"holdOutgoing":      `{"hold":true}`,
	"addUpload":         "x",
	"removeReference":   "",
	"acceptMessage":     "",
	"dismissMessage":    "",
	"retryOutgoing":     "",
	"cancelOutgoing":    "",
	"rotateKey":         "",
	"revokeParticipant": "",
}

type operation struct {
	ID         string `json:"operationId"`
	Parameters []struct{ Name, In string }
	Body       *struct{} `json:"requestBody"`
}

// operations are all of the document, by "METHOD path".
func (w *walker) operations() map[string]operation {
	var doc struct {
		Paths map[string]map[string]operation
	}
	w.call(w.tcp.URL, "GET", "/api/v1/openapi.json", "", "", &doc)
	all := map[string]operation{}
	for path, methods := range doc.Paths {
		for method, o := range methods {
			all[strings.ToUpper(method)+" "+path] = o
		}
	}
	if len(all) < 40 {
		w.t.Fatalf("the document has %d operations", len(all))
	}
	return all
}

// targets are the addresses by which an operation could reach SALES.
func (w *walker) targets(path string) []string {
	values := map[string][]string{
		"{name}": {sales, strings.ToLower(sales), "%2377"}, "{id}": w.ids, "{index}": {"0", "1"}, "{seq}": w.seqs,
		"{address}": {"canary@customer.example"}, "{consumer}": {w.consumer}, "{type}": {"message.received"},
	}
	if strings.Contains(path, "/outgoing/") {
		values["{id}"] = w.outgoing
	}
	out := []string{path}
	for name, all := range values {
		if !strings.Contains(path, name) {
			continue
		}
		var next []string
		for _, p := range out {
			for _, v := range all {
				next = append(next, strings.ReplaceAll(p, name, v))
			}
		}
		out = next
	}
	if strings.Contains(strings.Join(out, ""), "{") {
		w.t.Fatalf("%s has a parameter that this test does not know", path)
	}
	return out
}

// query fills in what an operation can be asked for.
func (w *walker) query(o operation) string {
	q := url.Values{}
	for _, p := range o.Parameters {
		if v := map[string]string{"ref": saleRef, "to": "buy@desk.example", "name": "x", "q": canary}[p.Name]; p.In == "query" && v != "" {
			q.Set(p.Name, v)
		}
	}
	return q.Encode()
}

// ask makes a request, and reads a stream until it has nothing more to say.
func (w *walker) ask(method, target, secret, body string) (int, string) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 2*time.Minute)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, w.tcp.URL+target, strings.NewReader(body))
	w.fine(err)
	r.Header.Set("Authorization", "Bearer "+secret)
	r.Header.Set("Postdesk-Actor", "boss")
	if strings.HasPrefix(body, "{") {
		r.Header.Set("Content-Type", "application/json")
	} else if body != "" {
		r.Header.Set("Content-Type", "message/rfc822")
	}
	res, err := http.DefaultClient.Do(r)
	w.fine(err)
	defer res.Body.Close()
	var text strings.Builder
	read := bufio.NewReader(res.Body)
	for line := ""; err == nil && line != ": still here\n"; text.WriteString(line) {
		line, err = read.ReadString('\n')
	}
	if err != nil && err != io.EOF {
		w.t.Fatalf("%s %s: %v", method, target, err)
	}
	return res.StatusCode, fmt.Sprint(res.Header) + text.String()
}

func (w *walker) secret(scope string, queues ...string) string {
	w.t.Helper()
	_, secret, err := w.desk.CreateToken(w.t.Context(), ticketing.Actor{}, ticketing.Token{Name: "walker", Scope: scope, Queues: queues})
	w.fine(err)
	return secret
}

// state is all that somebody could have changed about SALES.
func (w *walker) state() string {
	w.t.Helper()
	ctx := w.t.Context()
	c, err := w.desk.Ticket(ctx, sales)
	w.fine(err)
	consumers, err := w.desk.Consumers(ctx, ticketing.Actor{})
	w.fine(err)
	out, err := w.desk.Outgoing(ctx, nil, 0, 100)
	w.fine(err)
	tickets, err := w.desk.Tickets(ctx, ticketing.TicketQuery{Queue: "SALES", Limit: 100})
	w.fine(err)
	tokens, err := w.desk.Tokens(ctx)
	w.fine(err)
	for i := range consumers {
		consumers[i].Behind = 0 // SUPPORT may move
	}
	text, err := json.Marshal([]any{c, consumers, out, tickets, len(tokens), w.desk.Keys()})
	w.fine(err)
	return string(text)
}

// A token of one queue gets nothing of another one, by any operation of the document, and
// changes nothing there.
func TestWalkAllRoutes(t *testing.T) {
	w := newWalker(t)
	limited := []string{w.secret("write", "SUPPORT"), w.secret("read", "SUPPORT"), w.secret("read consume", "SUPPORT")}
	all := w.operations()
	boss, shown := w.secret(ticketing.ScopeAdmin), []string{}
	before := w.state()
	for key, o := range all {
		method, path, _ := strings.Cut(key, " ")
		body, known := bodies[o.ID]
		if method != "GET" && method != "DELETE" && !known {
			t.Errorf("%s (%s): say in this test what would work on a ticket", key, o.ID)
		}
		for _, target := range w.targets(path) {
			if q := w.query(o); q != "" {
				target += "?" + q
			}
			for _, secret := range limited {
				status, text := w.ask(method, target, secret, body)
				text = strings.ReplaceAll(text, "SALES: not found", "") // what was asked for
				if strings.Contains(strings.ToLower(text), canary) || strings.Contains(text, "SALES") {
					t.Errorf("%s %s shows: %s", method, target, text)
				}
				if o.ID == "addUpload" && status == 201 {
					continue // it is in no queue, and nobody else's
				}
				if status != 404 && status != 403 && (status != 200 || strings.Contains(path, "{") && !strings.Contains(path, "{type}")) {
					t.Errorf("%s %s: %d %s", method, target, status, text)
				}
			}
			if method == "GET" { // the control: who sees all does see it
				if _, text := w.ask(method, target, boss, ""); strings.Contains(strings.ToLower(text), canary) {
					shown = append(shown, o.ID)
				}
			}
		}
	}
	slices.Sort(shown)
	shown = slices.Compact(shown)
	for _, id := range []string{"getTicket", "listTickets", "listMessages", "getMessage", "getRaw", "getAttachment", "getPart", "getHTML", "listHeld", "listEvents",
		"streamEvents", "getEvent", "listTicketEvents", "listConsumers", "consumerEvents", "streamConsumer", "listDeadLetters", "listOutgoing", "searchMessages"} {
		if !slices.Contains(shown, id) {
			t.Errorf("%s shows nothing of SALES to who sees all: this test would not see it leak", id)
		}
	}
	if after := w.state(); after != before {
		t.Errorf("SALES is not as it was:\n%s\n%s", before, after)
	}
}

// What is left out of lists and of a ticket of the own queue.
func TestLimitedToken(t *testing.T) {
	w := newWalker(t)
	secret := w.secret("write", "support")
	var detail TicketDetail
	w.call(w.tcp.URL, "GET", "/api/v1/tickets/SUPPORT-7102", secret, "", &detail)
	if detail.Name != "SUPPORT-7102" || detail.Follows != "" {
		t.Errorf("%+v", detail)
	}
	for _, query := range []string{"", "?queue=SALES", "?held=true", "?ref=" + url.QueryEscape(saleRef), "?message_id=canary@customer.example", "?alias=77"} {
		var list List[Ticket]
		w.call(w.tcp.URL, "GET", "/api/v1/tickets"+query, secret, "", &list)
		for _, k := range list.Items {
			if k.Queue != "SUPPORT" {
				t.Errorf("%s shows %s", query, k.Name)
			}
		}
		if want := map[string]int{"": 1, "?alias=77": 1}[query]; len(list.Items) != want {
			t.Errorf("%s: %d tickets, want %d", query, len(list.Items), want)
		}
	}
	for _, query := range []string{canary, "cana*", "from:canary", "from:stranger", "-status:closed " + canary, "answer -zebra", `"note of"`, "from:canary -queue:SUPPORT"} {
		var all, own Hits
		w.call(w.tcp.URL, "GET", "/api/v1/search?q="+url.QueryEscape(query), w.secret("read"), "", &all)
		w.call(w.tcp.URL, "GET", "/api/v1/search?q="+url.QueryEscape(query), secret, "", &own)
		if len(all.Items) == 0 || len(own.Items) != 0 || own.Next != "" || all.Filling {
			t.Errorf("%s: who sees all finds %d, who sees SUPPORT %d", query, len(all.Items), len(own.Items))
		}
	}
	var page Events
	w.call(w.tcp.URL, "GET", "/api/v1/events", secret, "", &page)
	last, err := w.desk.LastSeq(t.Context())
	w.fine(err)
	if len(page.Items) == 0 || page.Next != last || slices.ContainsFunc(page.Items, func(e ticketing.Event) bool { return e.Queue != "SUPPORT" }) {
		t.Errorf("the feed: %+v; the newest is %d", page, last)
	}
	// A consumer of theirs is for their queue, whatever they ask.
	var c Consumer
	if res := w.call(w.tcp.URL, "PUT", "/api/v1/consumers/mine", secret, `{}`, &c); res.StatusCode != 200 || !slices.Contains(c.Filter.Queues, "SUPPORT") || slices.Contains(c.Filter.Queues, "SALES") {
		t.Errorf("%d %+v", res.StatusCode, c)
	}
	// What is theirs is open to them, by each way to name it.
	for path, want := range map[string]int{"/tickets/support-7102/messages": 200, "/tickets/SUPPORT-7102/events": 200, "/messages/1": 200, "/messages/1/raw": 200,
		"/messages/1/attachments/0": 200, "/messages/1/html": 200, "/events/1": 200, "/consumers/mine/events": 200} {
		if res := w.call(w.tcp.URL, "GET", "/api/v1"+path, secret, "", nil); res.StatusCode != want {
			t.Errorf("%s of their own queue: %d, want %d", path, res.StatusCode, want)
		}
	}
	// A reference is unique over all queues; who has it is not said.
	var problem struct{ Detail string }
	if res := w.call(w.tcp.URL, "POST", "/api/v1/tickets/SUPPORT-7102/references", secret, `{"reference":"`+saleRef+`"}`, &problem); res.StatusCode != 409 || strings.Contains(problem.Detail, "SALES") {
		t.Errorf("%d %s", res.StatusCode, problem.Detail)
	}
	for scope, want := range map[string]int{"read": 403, "note": 201, "write": 201, "reply change judge people send consume": 403} {
		if res := w.call(w.tcp.URL, "POST", "/api/v1/tickets/SUPPORT-7102/notes", w.secret(scope, "SUPPORT"), `{"text":"x"}`, nil); res.StatusCode != want {
			t.Errorf("a token that may %s adds a note: %d, want %d", scope, res.StatusCode, want)
		}
	}
	for _, wrong := range []ticketing.Token{{Name: "x", Scope: "fly"}, {Name: "x"}, {Scope: "read"}, {Name: "x", Scope: "read", Queues: []string{"NONE"}}, {Name: "x", Scope: "admin", Queues: []string{"SALES"}}} {
		if _, _, err := w.desk.CreateToken(t.Context(), ticketing.Actor{}, wrong); err == nil {
			t.Errorf("%+v is made", wrong)
		}
	}
}
