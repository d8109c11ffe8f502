package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// remote is an HTTP API, and the field of a request that says who asks.
type remote struct{ base, field, secret string }

func bearer(base, token string) remote { return remote{base, "Authorization", "Bearer " + token} }

// statusError is an answer that is no success.
type statusError struct {
	code int
	text string
}

func (e statusError) Error() string { return e.text }

func isStatus(err error, code int) bool {
	var s statusError
	return errors.As(err, &s) && s.code == code
}

// call sends JSON, unless in is nil, and reads JSON into out, unless it is nil. A key makes
// it safe to ask again.
func (r remote) call(ctx context.Context, method, path, key string, in, out any) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute) // longer than the long poll
	defer cancel()
	var body io.Reader
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, r.base+path, body)
	if err != nil {
		return err
	}
	req.Header.Set(r.field, r.secret)
	req.Header.Set("Accept", "application/json")
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode >= 300 {
		text, _ := io.ReadAll(io.LimitReader(res.Body, 1000))
		return statusError{res.StatusCode, fmt.Sprintf("%s %s: %s: %s", method, path, res.Status, text)}
	}
	if out == nil {
		return nil
	}
	return json.NewDecoder(res.Body).Decode(out)
}
