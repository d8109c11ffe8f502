// Package lab starts the real neighbours of postdesk on loopback: a private
// Postfix, a DNS server, a mail server that stands for the outside world and a
// signer for the customers' mail. It needs root and Debian's packages, touches
// nothing of the machine's own Postfix, and any number of labs run side by side.
package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// The parts of every lab that a test names often.
const (
	Domain         = "support-ticket.example" // the desk's domain, unless Options says otherwise
	SignedDomain   = "customer.example"       // a customer whose domain signs
	UnsignedDomain = "unsigned.example"       // a customer whose domain does not
	StaffDomain    = "company.example"        // of staff, whose mail server signs
	Password       = "secret"                 // of each login at the submission port
)

// Options says what a lab is to be. The zero value is good for most tests.
type Options struct {
	Domain     string // the desk's domain; empty is Domain
	Recipients string // the regexp table of recipients; empty is DefaultRecipients
	ExtraMain  string // more lines for main.cf
	// Mailboxes makes the desk's domain one that has mailboxes beside the desk, these
	// at the sink: then Postfix sends the agent what the table of recipients names, and no more.
	Mailboxes []string
	// WithoutDesk makes a Postfix that serves others and knows nothing of the desk yet.
	WithoutDesk    bool
	MXPort         int  // 0: a free one
	SubmissionPort int  // 0: a free one
	SinkDSN        bool // the sink offers DSN, so that Postfix hands ENVID and NOTIFY on
	NoPostfix      bool // only DNS, sink and signer
}

// Lab is a running set of neighbours.
type Lab struct {
	Dir            string // scratch folder, removed by Stop
	Domain         string
	Host           string // the name of the mail server, in its certificate
	Login          string // the desk's user name at the submission port
	StaffAddress   string // of a member of staff who sends through the submission port
	StaffLogin     string // their user name there
	Socket         string // where Postfix expects the agent
	CAFile         string // the certificate of the submission server
	MXPort         int
	SubmissionPort int
	SinkPort       int
	ExtraMain      string
	Mailboxes      []string
	WithoutDesk    bool

	DNS  *DNS
	Sink *Sink
	Keys *Signer

	recipients string
	guard      *guard
	held       []io.Closer // ports
}

// DefaultRecipients is a table that takes the usual addresses of a domain of its own.
func DefaultRecipients(domain string) string {
	d := strings.ReplaceAll(domain, ".", `\.`)
	return `/^(new|support|postmaster|abuse)(\+.*)?@` + d + `$/ OK
/^[a-z][a-z0-9]*-[0-9]+(\+.*)?@` + d + `$/ OK
/^[a-z][a-z0-9]*-bounces\+.*@` + d + `$/ OK
`
}

// Start starts the neighbours and waits until each answers. When it fails
// nothing is left behind.
func Start(ctx context.Context, o Options) (*Lab, error) {
	if err := missing(!o.NoPostfix); err != nil {
		return nil, err
	}
	l, err := newLab(o)
	if err != nil {
		return nil, err
	}
	if err := l.start(ctx, o); err != nil {
		log := l.LogTail(5)
		return nil, errors.Join(fmt.Errorf("the lab does not start: %w%s", err, log), l.Stop())
	}
	return l, nil
}

func newLab(o Options) (*Lab, error) {
	// Sockets have 108 bytes for their path and Postfix must be able to search
	// every parent, so TMPDIR is not asked.
	dir, err := os.MkdirTemp("/tmp", fmt.Sprintf("desk%d-", os.Getpid()))
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	l := &Lab{Dir: dir, Domain: o.Domain, ExtraMain: o.ExtraMain, Mailboxes: o.Mailboxes, WithoutDesk: o.WithoutDesk, recipients: o.Recipients,
		MXPort: o.MXPort, SubmissionPort: o.SubmissionPort}
	if l.Domain == "" {
		l.Domain = Domain
	}
	if l.recipients == "" {
		l.recipients = DefaultRecipients(l.Domain)
	}
	l.Host = "mx." + l.Domain
	l.Login = "desk@" + l.Host
	l.StaffAddress, l.StaffLogin = "sam@"+StaffDomain, "sam@"+l.Host
	l.Socket = filepath.Join(dir, "postdesk", "lmtp.sock")
	l.CAFile = filepath.Join(dir, "tls", "cert.pem")
	return l, nil
}

func (l *Lab) start(ctx context.Context, o Options) (err error) {
	if l.guard, err = startGuard(l.Dir); err != nil {
		return err
	}
	if l.DNS, err = startDNS(); err != nil {
		return err
	}
	if l.Sink, err = startSink(o.SinkDSN); err != nil {
		return err
	}
	l.SinkPort = l.Sink.Port()
	l.Keys = NewSigner(l.DNS)
	if err := l.publish(); err != nil {
		return err
	}
	if err := l.folders(!o.NoPostfix); err != nil {
		return err
	}
	if o.NoPostfix {
		// An agent wants addresses, also where nobody answers.
		return l.ports(o)
	}
	return l.firstStart(ctx, o)
}

// publish gives the customers' domains what real ones have.
func (l *Lab) publish() error {
	for _, d := range []string{SignedDomain, UnsignedDomain, StaffDomain, l.Domain} {
		l.DNS.A(d, "192.0.2.25")
		l.DNS.MX(d, "mx."+d)
		l.DNS.A("mx."+d, "192.0.2.25")
	}
	if err := l.Keys.Publish(StaffDomain); err != nil {
		return err
	}
	return l.Keys.Publish(SignedDomain)
}

// Stop stops everything and removes the scratch folder. It may be called again.
func (l *Lab) Stop() error {
	var errs []error
	if l.guard != nil {
		errs = append(errs, l.guard.stop())
	}
	if l.Sink != nil {
		errs = append(errs, l.Sink.Stop())
	}
	if l.DNS != nil {
		errs = append(errs, l.DNS.stop())
	}
	for _, h := range l.held {
		errs = append(errs, h.Close())
	}
	l.guard, l.Sink, l.DNS, l.held = nil, nil, nil, nil
	return errors.Join(append(errs, os.RemoveAll(l.Dir))...)
}

// MX is the address that the outside world sends to.
func (l *Lab) MX() string { return fmt.Sprintf("127.0.0.1:%d", l.MXPort) }

// Submission is the address that the agent submits to.
func (l *Lab) Submission() string { return fmt.Sprintf("127.0.0.1:%d", l.SubmissionPort) }

// Until calls cond until it is true, and gives its last error when ctx ends first.
func Until(ctx context.Context, what string, cond func() (bool, error)) error {
	for {
		ok, err := cond()
		if ok && err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("waited in vain for %s", what), err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}
