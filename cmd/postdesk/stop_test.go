package main

import (
	"bufio"
	"net"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"postdesk/cmd/postdesk/agent"
	"postdesk/ticketing"
)

// openDelivery is a transaction whose message is half sent.
func (d *desk) openDelivery() (conn net.Conn, replies *bufio.Reader) {
	d.t.Helper()
	conn, err := net.Dial("unix", filepath.Join(d.dir, "lmtp.sock"))
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience))
	replies = bufio.NewReader(conn)
	d.reply(replies, "220")
	for _, step := range [][2]string{
		{"LHLO client.example", "250"}, {"MAIL FROM:<jane@customer.example>", "250"},
		{"RCPT TO:<new@support-ticket.example>", "250"}, {"DATA", "354"},
	} {
		conn.Write([]byte(step[0] + "\r\n"))
		d.reply(replies, step[1])
	}
	conn.Write([]byte("From: jane@customer.example\r\nSubject: half\r\n"))
	return conn, replies
}

// reply reads one reply, of several lines perhaps.
func (d *desk) reply(r *bufio.Reader, code string) {
	d.t.Helper()
	for {
		line, err := r.ReadString('\n')
		if err != nil || !strings.HasPrefix(line, code) {
			d.t.Fatalf("reply %q, want %s: %v", line, code, err)
		}
		if line[3] == ' ' {
			return
		}
	}
}

// A delivery that is on its way when the agent is told to stop ends with its 250, and
// is a ticket after the next start.
func TestStopLetsDeliveriesEnd(t *testing.T) {
	d := newDesk(t)
	d.start()
	conn, replies := d.openDelivery()
	d.cmd.Process.Signal(syscall.SIGTERM)
	d.notified("STOPPING=1")
	conn.Write([]byte("\r\nThe other half.\r\n.\r\n"))
	d.reply(replies, "250")
	if code := d.signalAndWait(syscall.Signal(0)); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	d.start()
	_, events := d.follow()
	await(t, events, ticketing.TicketCreated)
}

// Whoever does not want to wait sends the signal again.
func TestSecondSignalEndsAtOnce(t *testing.T) {
	d := newDesk(t)
	d.start()
	d.openDelivery() // keeps the first signal waiting
	d.cmd.Process.Signal(syscall.SIGTERM)
	d.notified("STOPPING=1")
	begun := time.Now()
	d.signalAndWait(syscall.SIGTERM)
	if took := time.Since(begun); took > agent.StopTime/2 {
		t.Errorf("it took %s", took)
	}
	if status := d.cmd.ProcessState.Sys().(syscall.WaitStatus); !status.Signaled() {
		t.Errorf("ended with %s, not by the signal", d.cmd.ProcessState)
	}
}
