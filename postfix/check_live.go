package postfix

import (
	"context"
	"fmt"
	"net"
	"net/textproto"
	"slices"
	"strings"
	"time"
)

// liveTimeout bounds one dialogue with a part of the site.
const liveTimeout = 15 * time.Second

// port25 asks the door for mail from the world what it says to addresses of the desk and to
// one that does not exist. The files may be right and not yet read, and a restriction of the
// site may be in the way.
func (c *checker) port25() {
	s, ok := c.door()
	if !ok {
		c.add(Note, "No service in master.cf takes mail from the world.", "Nothing, where another machine passes it on.")
		return
	}
	address := c.address(s)
	ctx, cancel := context.WithTimeout(c.ctx, liveTimeout)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		c.add(Warning, fmt.Sprintf("The service %s does not answer at %s: %v.", s.name, address, err), c.site.program("postfix", "status")+" || "+c.site.program("postfix", "start"))
		return
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	_ = conn.SetDeadline(deadline)
	d := &dialogue{text: textproto.NewConn(conn)}
	d.read()
	d.say("EHLO " + c.values["myhostname"])
	for _, a := range c.site.Samples {
		code, reply := d.recipient(a)
		c.accepted(a, code, reply)
	}
	for _, domain := range c.site.OwnDomains {
		if code, _ := d.recipient("postdesk-finds-no-such@" + domain); code/100 == 2 {
			c.add(Warning, "Port 25 takes mail for addresses of "+domain+" that do not exist: it must be sent back.", c.site.program("postfix", "reload")+"  # when no other finding explains it")
		}
	}
	d.say("QUIT")
	if d.err != nil {
		c.add(Warning, fmt.Sprintf("The service %s ended the dialogue at %s: %v.", s.name, address, d.err), "See the mail log.")
	}
}

// accepted judges what port 25 said to an address of the desk.
func (c *checker) accepted(address string, code int, reply string) {
	switch {
	case code == 0 || code/100 == 2:
	case code/100 == 5:
		c.add(Error, fmt.Sprintf("Port 25 refuses %s: %d %s", address, code, reply), c.site.program("postfix", "reload")+"  # when no other finding explains it")
	case code == 451:
		c.add(Error, fmt.Sprintf("Port 25 cannot say whether it takes %s: %d %s", address, code, reply), "See the mail log for what it cannot look up.")
	}
}

// address is where a service of master.cf can be reached from this machine.
func (c *instance) address(s service) string {
	host, _, err := net.SplitHostPort(s.name)
	if err != nil || host == "" {
		host = "127.0.0.1"
		interfaces := splitList(c.values["inet_interfaces"])
		if !slices.Contains(interfaces, "all") && !slices.Contains(interfaces, "loopback-only") && !slices.Contains(interfaces, "localhost") && !slices.Contains(interfaces, host) && len(interfaces) > 0 {
			host = interfaces[0]
		}
	}
	return net.JoinHostPort(strings.Trim(host, "[]"), portOf(s.name))
}

// dialogue is a session of SMTP that goes on until its first error.
type dialogue struct {
	text *textproto.Conn
	err  error
}

func (d *dialogue) read() (code int, reply string) {
	if d.err != nil {
		return 0, ""
	}
	code, reply, d.err = d.text.ReadResponse(0)
	return code, strings.ReplaceAll(reply, "\n", " ")
}

func (d *dialogue) say(line string) (code int, reply string) {
	if d.err == nil {
		d.err = d.text.PrintfLine("%s", line)
	}
	return d.read()
}

// recipient is a transaction that ends before it has a mail.
func (d *dialogue) recipient(address string) (code int, reply string) {
	if code, reply = d.say("MAIL FROM:<>"); code/100 != 2 {
		return code, reply
	}
	code, reply = d.say("RCPT TO:<" + address + ">")
	d.say("RSET")
	return code, reply
}
