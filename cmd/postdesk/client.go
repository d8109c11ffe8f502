package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
)

// client speaks HTTP to the running agent over its control socket.
type client struct {
	http   *http.Client
	socket string
	actor  string
	// program is set where a consumer of the feed runs the command: then a program acts,
	// and what it sends is automatic mail.
	program string
}

// dial prepares a client; the connection is made by the first request.
func (a *app) dial(actor string) (*client, error) {
	socket := a.socket
	if socket == "" {
		var err error
		if socket, err = a.controlSocket(); err != nil {
			return nil, err
		}
	}
	if actor == "" {
		actor = person()
	}
	dialer := &net.Dialer{}
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return dialer.DialContext(ctx, "unix", socket)
	}}
	return &client{&http.Client{Transport: transport}, socket, actor, a.getenv(programEnv)}, nil
}

// controlSocket is the configured one. Without any configuration it is the default, so
// that the commands work wherever the agent runs with defaults.
func (a *app) controlSocket() (string, error) {
	cfg, err := a.config()
	if err == nil {
		return cfg.Control.Socket, nil
	}
	var missing missingFile
	if a.configFile == "" && errors.As(err, &missing) {
		return defaults().Control.Socket, nil
	}
	return "", err
}

// do sends a request and reads the JSON of the answer into out, unless out is nil.
func (c *client) do(ctx context.Context, method, path string, header http.Header, in, out any) error {
	if in == nil {
		return c.send(ctx, method, path, header, "", nil, out)
	}
	data, err := json.Marshal(in)
	if err != nil {
		return err
	}
	return c.send(ctx, method, path, header, "application/json", bytes.NewReader(data), out)
}

// open sends JSON and gives the answer as a stream.
func (c *client) open(ctx context.Context, method, path string, in any) (io.ReadCloser, error) {
	data, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	res, err := c.request(ctx, method, path, nil, "application/json", bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	return res.Body, nil
}

// send is do with a body of any type, nil for none.
func (c *client) send(ctx context.Context, method, path string, header http.Header, mediaType string, body io.Reader, out any) error {
	res, err := c.request(ctx, method, path, header, mediaType, body)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if out == nil {
		return nil
	}
	if err := json.NewDecoder(res.Body).Decode(out); err != nil {
		return c.unreachable(err)
	}
	return nil
}

// request gives an answer that is a success; whoever asks closes its body.
func (c *client) request(ctx context.Context, method, path string, header http.Header, mediaType string, body io.Reader) (*http.Response, error) {
	// The host is a name only: the transport knows one place to go.
	req, err := http.NewRequestWithContext(ctx, method, "http://postdesk"+path, body)
	if err != nil {
		return nil, err
	}
	for name, values := range header {
		req.Header[name] = values
	}
	req.Header.Set("Postdesk-Actor", c.actor)
	if c.program != "" {
		req.Header.Set("Postdesk-Program", c.program)
	}
	if mediaType != "" {
		req.Header.Set("Content-Type", mediaType)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, c.unreachable(err)
	}
	if res.StatusCode >= 300 {
		defer res.Body.Close()
		return nil, refused(res)
	}
	return res, nil
}

func (c *client) get(ctx context.Context, path string, query url.Values, out any) error {
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return c.do(ctx, http.MethodGet, path, nil, nil, out)
}

func (c *client) unreachable(err error) error {
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, fs.ErrPermission):
		return fault{exitNoPerm, fmt.Sprintf("you may not open %s: only root and the user of the agent may", c.socket)}
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return fault{exitTemp, fmt.Sprintf("the agent does not run: nobody answers at %s; start it with: postdesk serve", c.socket)}
	}
	return fault{exitTemp, fmt.Sprintf("the agent broke off at %s: %s", c.socket, err)}
}

// refused makes an error of an answer that is no success (RFC 9457).
func refused(res *http.Response) error {
	var problem struct {
		Title, Detail string
		Errors        []struct{ Message, Location string }
	}
	data, _ := io.ReadAll(io.LimitReader(res.Body, 1<<16))
	if json.Unmarshal(data, &problem) != nil || problem.Title == "" && problem.Detail == "" {
		problem.Detail = strings.TrimSpace(res.Status + " " + string(data))
	}
	text := problem.Detail
	if text == "" {
		text = problem.Title
	}
	for _, e := range problem.Errors {
		text += fmt.Sprintf("; %s: %s", e.Location, e.Message)
	}
	codes := map[int]int{http.StatusNotFound: exitNoInput, http.StatusConflict: exitData, http.StatusUnprocessableEntity: exitData,
		http.StatusBadRequest: exitData, http.StatusRequestEntityTooLarge: exitData, http.StatusForbidden: exitNoPerm, http.StatusUnauthorized: exitNoPerm,
		http.StatusServiceUnavailable: exitTemp, http.StatusTooManyRequests: exitTemp,
		http.StatusGone: exitData, http.StatusPreconditionFailed: exitData, http.StatusPreconditionRequired: exitData}
	code, known := codes[res.StatusCode]
	if !known {
		code = exitSoftware
	}
	return fault{code, printable(text)}
}
