package lab

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Client is a user of the agent's API as any program is: it knows the documented
// JSON and nothing of the agent's types.
type Client struct {
	URL   string
	Token string
}

// Ticket is a ticket in the API.
type Ticket struct {
	Name       string `json:"name"`
	Subject    string `json:"subject"`
	Status     string `json:"status"`
	Requester  string `json:"requester"`
	Unverified bool   `json:"unverified"`
	Held       int    `json:"held"`
}

// Message is a message of a ticket in the API.
type Message struct {
	ID         int64  `json:"id"`
	Kind       string `json:"kind"`
	Visibility string `json:"visibility"`
	Row        string `json:"row"`
	Reason     string `json:"reason"`
	From       struct {
		Address string `json:"address"`
	} `json:"from"`
	Subject        string `json:"subject"`
	MessageID      string `json:"message_id"`
	Text           string `json:"text"`
	NewText        string `json:"new_text"`
	Authentication struct {
		Author string `json:"author"`
		Method string `json:"method"`
		Reason string `json:"reason"`
		Login  string `json:"login"`
		SPF    *struct {
			Client string `json:"client"`
			Result string `json:"result"`
		} `json:"spf"`
		DKIM []struct {
			Domain string `json:"domain"`
			Result string `json:"result"`
			Reason string `json:"reason"`
		} `json:"dkim"`
		Temporary bool `json:"temporary"`
	} `json:"authentication"`
	Problems []string   `json:"problems"`
	Outgoing []Outgoing `json:"outgoing"`
}

// Outgoing is one mail that carries a reply.
type Outgoing struct {
	ID          int64  `json:"id"`
	Recipient   string `json:"recipient"`
	State       string `json:"state"`
	LastReply   string `json:"last_reply"`
	Status      string `json:"status"`
	Permanent   bool   `json:"permanent"`
	Resubmitted int    `json:"resubmitted"`
	QueueID     string `json:"queue_id"`
	MessageID   string `json:"message_id"`
}

// Event is one line of the feed.
type Event struct {
	Seq      int64             `json:"seq"`
	Type     string            `json:"type"`
	Ticket   string            `json:"ticket"`
	Message  int64             `json:"message"`
	Outgoing int64             `json:"outgoing"`
	Actor    string            `json:"actor"`
	Facts    map[string]string `json:"facts"`
}

// StatusError is an answer of the API that is no success.
type StatusError struct {
	Code int
	Text string
}

func (e StatusError) Error() string { return fmt.Sprintf("the API says %d: %s", e.Code, e.Text) }

// Tickets gives all tickets, over all pages.
func (c *Client) Tickets(ctx context.Context) ([]Ticket, error) {
	var all []Ticket
	for query := (url.Values{"limit": {"500"}}); ; {
		var page struct {
			Items []Ticket
			Next  string
		}
		if err := c.do(ctx, "GET", "/tickets?"+query.Encode(), nil, nil, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Items...)
		if page.Next == "" {
			return all, nil
		}
		query.Set("cursor", page.Next)
	}
}

// NewestTickets gives the first page of the list.
func (c *Client) NewestTickets(ctx context.Context, limit int) ([]Ticket, error) {
	var page struct{ Items []Ticket }
	err := c.do(ctx, "GET", fmt.Sprintf("/tickets?limit=%d", limit), nil, nil, &page)
	return page.Items, err
}

// Ticket gives one ticket.
func (c *Client) Ticket(ctx context.Context, name string) (t Ticket, err error) {
	return t, c.do(ctx, "GET", "/tickets/"+name, nil, nil, &t)
}

// Messages gives the messages of a ticket.
func (c *Client) Messages(ctx context.Context, ticket string) ([]Message, error) {
	var all []Message
	for next := "0"; ; {
		var page struct {
			Items []Message
			Next  string
		}
		if err := c.do(ctx, "GET", "/tickets/"+ticket+"/messages?after="+next, nil, nil, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Items...)
		if next = page.Next; next == "" {
			return all, nil
		}
	}
}

// Raw gives the bytes of a mail.
func (c *Client) Raw(ctx context.Context, message int64) ([]byte, error) {
	res, err := c.request(ctx, "GET", fmt.Sprintf("/messages/%d/raw", message), nil, nil)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	return io.ReadAll(res.Body)
}

// Reply answers a ticket. The key makes it safe to ask again.
func (c *Client) Reply(ctx context.Context, ticket, key, text string) (m Message, err error) {
	return m, c.do(ctx, "POST", "/tickets/"+ticket+"/replies", http.Header{"Idempotency-Key": {key}}, map[string]string{"text": text}, &m)
}

// Hold keeps outgoing mail back, or lets it go.
func (c *Client) Hold(ctx context.Context, hold bool) error {
	res, err := c.request(ctx, "PUT", "/outgoing/hold", nil, map[string]bool{"hold": hold})
	if err != nil {
		return err
	}
	return res.Body.Close()
}

// Events gives a page of the feed, waiting for the first event for up to wait.
func (c *Client) Events(ctx context.Context, after int64, wait time.Duration) ([]Event, error) {
	var page struct{ Items []Event }
	err := c.do(ctx, "GET", fmt.Sprintf("/events?after=%d&wait=%d&limit=1000", after, int(wait.Seconds())), nil, nil, &page)
	return page.Items, err
}

// AllEvents gives the whole feed.
func (c *Client) AllEvents(ctx context.Context) (all []Event, err error) {
	for after := int64(0); ; after = all[len(all)-1].Seq {
		page, err := c.Events(ctx, after, 0)
		if err != nil || len(page) == 0 {
			return all, err
		}
		all = append(all, page...)
	}
}

// Follow reads the event stream from lastID on, "" for the beginning, until ctx or
// the connection ends, or take says false.
func (c *Client) Follow(ctx context.Context, lastID string, take func(id string, e Event) bool) error {
	header := http.Header{}
	if lastID != "" {
		header.Set("Last-Event-ID", lastID)
	}
	res, err := c.request(ctx, "GET", "/events/stream", header, nil)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	id, data := "", ""
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ": ")
		switch {
		case name == "id":
			id = value
		case name == "data":
			data += value
		case name == "" && value == "" && data != "":
			var e Event
			if err := json.Unmarshal([]byte(data), &e); err != nil {
				return err
			}
			if id != strconv.FormatInt(e.Seq, 10) {
				return fmt.Errorf("the stream's id %q is not the event's number %d", id, e.Seq)
			}
			if data = ""; !take(id, e) {
				return nil
			}
		}
	}
	return lines.Err()
}

// do sends JSON and reads JSON.
func (c *Client) do(ctx context.Context, method, path string, header http.Header, in, out any) error {
	res, err := c.request(ctx, method, path, header, in)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	return json.NewDecoder(res.Body).Decode(out)
}

// request waits as long as the desk says where it asks too much.
func (c *Client) request(ctx context.Context, method, path string, header http.Header, in any) (*http.Response, error) {
	for {
		res, err := c.once(ctx, method, path, header, in)
		if err != nil || res.StatusCode < 300 {
			return res, err
		}
		text, _ := io.ReadAll(io.LimitReader(res.Body, 4096))
		_ = res.Body.Close()
		seconds, err := strconv.Atoi(res.Header.Get("Retry-After"))
		if err != nil || res.StatusCode != http.StatusTooManyRequests {
			return nil, StatusError{res.StatusCode, string(bytes.TrimSpace(text))}
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(time.Duration(seconds) * time.Second):
		}
	}
}

// once asks one time, whatever the answer is.
func (c *Client) once(ctx context.Context, method, path string, header http.Header, in any) (*http.Response, error) {
	var body io.Reader
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.URL+"/api/v1"+path, body)
	if err != nil {
		return nil, err
	}
	for name, values := range header {
		req.Header[name] = values
	}
	req.Header.Set("Authorization", "Bearer "+c.Token)
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	return http.DefaultClient.Do(req)
}

func get(ctx context.Context, url string) (code int, text string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Accept-Encoding", "identity") // to compress its metrics would count as the agent's work
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	return res.StatusCode, string(body), err
}
