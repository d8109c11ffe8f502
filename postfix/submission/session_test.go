package submission

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
)

// grouping is a server that offers PIPELINING, answers RCPT and DATA as it is told, and gives
// what came with MAIL, and what came after the replies to the group.
func grouping(t *testing.T, rcpt, data string) (c *Client, group, rest func() string) {
	t.Helper()
	end, ours := net.Pipe()
	came, after := make(chan string, 1), make(chan string, 1)
	go func() {
		defer end.Close()
		r := bufio.NewReader(end)
		_, _ = io.WriteString(end, "220 mx\r\n")
		_, _ = r.ReadString('\n')
		_, _ = io.WriteString(end, "250-mx\r\n250-DSN\r\n250 PIPELINING\r\n")
		mail, _ := r.ReadString('\n')
		with, _ := r.Peek(r.Buffered())
		came <- mail + string(with)
		_, _ = r.Discard(len(with))
		_, _ = io.WriteString(end, "250 2.1.0 Ok\r\n"+rcpt+"\r\n"+data+"\r\n")
		var all strings.Builder
		for {
			line, err := r.ReadString('\n')
			all.WriteString(line)
			if err != nil || line == ".\r\n" || line == "RSET\r\n" {
				break
			}
		}
		after <- all.String()
		_, _ = io.WriteString(end, "250 2.0.0 Ok: queued as Q1\r\n")
	}()
	c = NewClient(Config{Server: "unix:mx", Dial: func(context.Context, string, string) (net.Conn, error) { return ours, nil }})
	t.Cleanup(c.Close)
	return c, func() string { return <-came }, func() string { return <-after }
}

// The commands before a mail go in one write, where the server can (RFC 2920).
func TestCommandsTogether(t *testing.T) {
	c, group, rest := grouping(t, "250 2.1.5 Ok", "354 go on")
	got, err := c.Submit(t.Context(), out, []byte(letter))
	if err != nil || got.QueueID != "Q1" {
		t.Fatal(got, err)
	}
	if g, want := group(), "MAIL FROM:<support-bounces+1-1.x@desk.example> RET=HDRS ENVID=1-1\r\nRCPT TO:<jo@customer.example> NOTIFY=FAILURE,DELAY\r\nDATA\r\n"; g != want {
		t.Errorf("%q came together, want %q", g, want)
	}
	if r := rest(); r != letter+".\r\n" {
		t.Errorf("the mail is %q", r)
	}
}

// A server that refuses the recipient and wants the mail all the same gets none, not even an
// empty one: what the refusal says counts.
func TestRefusedInAGroup(t *testing.T) {
	c, _, rest := grouping(t, "550 5.1.1 nobody", "354 go on")
	_, err := c.Submit(t.Context(), out, []byte(letter))
	var f *Failure
	if !errors.As(err, &f) || f.Kind != Recipient || f.Stage != "RCPT" || f.Code != 550 || f.InDoubt {
		t.Errorf("%+v", f)
	}
	if r := rest(); r != "" {
		t.Errorf("after the refusal came %q", r)
	}
}

// What was refused says so as the server did, with its status.
func TestRefusalInWords(t *testing.T) {
	c, _, _ := grouping(t, "550 5.1.1 nobody", "503 5.5.1 no recipients")
	if _, err := c.Submit(t.Context(), out, []byte(letter)); err == nil || !strings.HasSuffix(err.Error(), "550 5.1.1 nobody") {
		t.Error(err)
	}
}

// Nothing of an address becomes a command.
func TestAddressIsNoCommand(t *testing.T) {
	c, _, _ := grouping(t, "", "")
	o := out
	o.Recipient = "jo@customer.example>\r\nRCPT TO:<other@customer.example"
	var f *Failure
	if _, err := c.Submit(t.Context(), o, []byte(letter)); !errors.As(err, &f) || f.Kind != Recipient {
		t.Error(err)
	}
	if got := xtext("a+b=c d\x80"); got != "a+2Bb+3Dc+20d+80" {
		t.Error(got)
	}
}
