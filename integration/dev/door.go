package dev

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"time"
)

// doorName is the socket, beside the control socket, by which another process of the
// same user hands mail in. The folder lets nobody else through.
const doorName = "deliver.sock"

// deliverTime bounds one delivery, from LMTP to the decision.
const deliverTime = 30 * time.Second

// DeliverBy hands a mail to the desk of another process, which is found by its control socket.
func DeliverBy(ctx context.Context, control string, m Delivery) (out []Outcome, err error) {
	socket := filepath.Join(filepath.Dir(control), doorName)
	dialer := &net.Dialer{}
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return dialer.DialContext(ctx, "unix", socket)
	}}}
	query := url.Values{"to": m.To, "from": {m.ReversePath}}
	if m.Sign {
		query.Set("sign", "1")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://postdesk/?"+query.Encode(), bytes.NewReader(m.Raw))
	if err != nil {
		return nil, err
	}
	res, err := c.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(res.Body, 4096))
		return nil, Refused(bytes.TrimSpace(text))
	}
	return out, json.NewDecoder(res.Body).Decode(&out)
}

// Refused is what the desk of another process said against a mail.
type Refused string

func (r Refused) Error() string { return string(r) }

// serveDelivery is the other end of DeliverBy.
func (d *Desk) serveDelivery(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), deliverTime)
	defer cancel()
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return // the sender has gone
	}
	q := r.URL.Query()
	out, err := d.Deliver(ctx, Delivery{q.Get("from"), q["to"], raw, q.Has("sign")})
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("the mail was taken, and not decided within %s", deliverTime)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
		return
	}
	_ = json.NewEncoder(w).Encode(out) // the sender may have gone: then nobody asks any more
}
