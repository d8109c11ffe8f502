package submission

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
)

// ErrNoTLS and ErrNoAuth say what a server does not offer.
var (
	ErrNoTLS  = errors.New("the server offers no STARTTLS")
	ErrNoAuth = errors.New("the server offers no AUTH PLAIN after STARTTLS")
)

// Try logs in and says that a mail would be sent, and takes it back before there is one. The
// error is a *Failure, or that of ctx.
func (c *Client) Try(ctx context.Context, from, to string) error {
	s, err := c.connect(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	stop := context.AfterFunc(ctx, func() { s.Close() })
	defer stop()
	for _, t := range []step{{"MAIL", s.mail(from, "", 0, false), 250}, {"RCPT", "RCPT TO:<" + to + ">", 25}, {"RSET", "RSET", 250}} {
		if _, err := s.ask(t.code, t.command); err != nil {
			return classify(t.stage, err)
		}
	}
	_, _ = s.ask(221, "QUIT")
	return nil
}

// Advice says in words what is wrong with a submission server, and what mends it. What is
// empty says that the failure is about the recipient, not about us.
func (f *Failure) Advice(cfg Config) (what, mend string) {
	if f.Stage == "connect" {
		return fmt.Sprintf("%s does not answer: %v.", cfg.Server, f.Err),
			"Enable the submission service in Postfix's master.cf, or name another server in [submission]. On port 465 TLS comes first, which postdesk does not speak: use 587."
	}
	switch {
	case f.Stage == "tls":
		return f.tlsAdvice(cfg)
	case f.Stage == "login":
		return f.loginAdvice(cfg)
	case f.Code == 553: // at RCPT, where Postfix waits for it (smtpd_delay_reject)
		return fmt.Sprintf("%s does not let %s send by a ticket address: %v.", cfg.Server, cfg.Username, f.Err),
			"Name the login in smtpd_sender_login_maps for the desk's addresses: postdesk postfix print says how."
	case f.Stage == "MAIL":
		return fmt.Sprintf("%s refuses a ticket address as sender: %v.", cfg.Server, f.Err), "See the mail log for the restriction that does."
	case f.Stage == "RCPT" && f.Kind == Ours:
		return fmt.Sprintf("%s does not let the desk send to others: %v.", cfg.Server, f.Err),
			"permit_sasl_authenticated must stand in smtpd_relay_restrictions and smtpd_recipient_restrictions of the submission service, before what rejects."
	}
	return "", ""
}

func (f *Failure) tlsAdvice(cfg Config) (what, mend string) {
	host, _, _ := net.SplitHostPort(cfg.Server)
	var name x509.HostnameError
	var authority x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	var alert tls.AlertError
	switch {
	case errors.Is(f.Err, ErrNoTLS):
		return cfg.Server + " offers no STARTTLS, and a password must not cross in the clear.", "smtpd_tls_security_level = encrypt, smtpd_tls_cert_file and smtpd_tls_key_file for the submission service; then: postfix reload"
	case errors.As(f.Err, &name):
		names := append([]string{}, name.Certificate.DNSNames...)
		return fmt.Sprintf("The certificate of %s is for %s, not for %s.", cfg.Server, strings.Join(names, ", "), name.Host),
			fmt.Sprintf("tls_name = %q in [submission] of postdesk's configuration, or a certificate for %s.", strings.Join(names[:min(1, len(names))], ""), host)
	case errors.As(f.Err, &authority):
		return fmt.Sprintf("The certificate of %s is by an authority that is not known here.", cfg.Server), "ca_file in [submission] of postdesk's configuration: the PEM file of that authority, or of the certificate when it is its own."
	case errors.As(f.Err, &invalid):
		return fmt.Sprintf("The certificate of %s is not valid: %v.", cfg.Server, f.Err), "Renew it; then: postfix reload"
	case errors.As(f.Err, &alert):
		return fmt.Sprintf("%s and postdesk agree on no TLS: %v.", cfg.Server, f.Err), "TLS 1.2 or later in smtpd_tls_protocols."
	}
	return fmt.Sprintf("TLS with %s fails: %v.", cfg.Server, f.Err), "See the mail log."
}

func (f *Failure) loginAdvice(cfg Config) (what, mend string) {
	switch {
	case errors.Is(f.Err, ErrNoAuth):
		return cfg.Server + " offers no AUTH PLAIN, not even after STARTTLS.", "smtpd_sasl_auth_enable = yes for the submission service, and smtpd_sasl_type and smtpd_sasl_path of the one who knows the passwords."
	case f.Code == 535:
		return fmt.Sprintf("%s refuses the password of %s: %v.", cfg.Server, cfg.Username, f.Err), "Put the right one into the file of password_file in [submission], or make that login."
	case f.Code/100 == 4:
		return fmt.Sprintf("%s cannot ask for passwords now: %v.", cfg.Server, f.Err), "Start the one who knows the passwords (Dovecot, saslauthd); the mail log says what it cannot reach."
	}
	return fmt.Sprintf("The login of %s at %s fails: %v.", cfg.Username, cfg.Server, f.Err), "See username and password_file in [submission], and the mail log."
}
