package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os/user"
	"strconv"
	"strings"
	"time"

	"postdesk/lmtp"
	"postdesk/lmtp/verify"
	"postdesk/postfix"
	"postdesk/postfix/submission"
	"postdesk/ticketing"
	"postdesk/ticketing/mail"
)

// probeTime is how long a mail may take from the submission server to the desk.
const probeTime = 30 * time.Second

// prober stands in the agent's place for a moment and takes one mail, the probe.
type prober struct {
	id, recipient string
	got           chan []byte
}

var errNotNow = errors.New("the agent is being set up: try again later")

func (p *prober) Recipient(context.Context, string) error { return nil }

// Deliver leaves all other mail in Postfix's queue.
func (p *prober) Deliver(_ context.Context, env mail.Envelope, body io.Reader) []mail.Result {
	results := make([]mail.Result, len(env.Recipients))
	for i := range results {
		results[i].Err = errNotNow
	}
	raw, err := io.ReadAll(body)
	if err != nil || !strings.Contains(string(raw), p.id) {
		return results
	}
	for i, r := range env.Recipients {
		if strings.EqualFold(r, p.recipient) {
			results[i].Err = nil
			select {
			case p.got <- raw:
			default: // a second copy
			}
		}
	}
	return results
}

// probe sends a mail from the desk to itself and says how it came back: whether it is signed
// and aligned, and what was changed.
func (a *app) probe(ctx context.Context, cfg *config, site postfix.Site) []postfix.Finding {
	raw, err := a.roundTrip(ctx, cfg, site)
	if err != nil {
		return []postfix.Finding{{Severity: postfix.Warning, What: "How mail leaves cannot be known: " + err.Error() + ".", Mend: "Mend that and probe again; meanwhile look at an answer that arrived elsewhere."}}
	}
	resolver, err := verify.NewResolver(cfg.DNS.Nameserver)
	if err != nil {
		return []postfix.Finding{{Severity: postfix.Error, What: "dns.nameserver: " + err.Error(), Mend: "Write HOST:PORT."}}
	}
	m := mail.Parse(raw)
	auth := verify.New(verify.Config{Resolver: resolver}).Verify(ctx, raw, m)
	return judge(site, m, auth)
}

func judge(site postfix.Site, m *mail.Message, auth mail.Authentication) (out []postfix.Finding) {
	add := func(severity postfix.Severity, what, mend string) {
		out = append(out, postfix.Finding{Severity: severity, What: what, Mend: mend})
	}
	from, _ := m.SoleAuthor()
	if !strings.EqualFold(from.Address, site.Senders[0]) {
		add(postfix.Error, fmt.Sprintf("The probe left as %s and came back as %s: something rewrites the desk's addresses.", site.Senders[0], from.Address), "See canonical_maps, smtp_generic_maps and masquerade_domains.")
	}
	switch {
	case len(auth.DKIM) == 0:
		add(postfix.Warning, "The probe came back without a DKIM signature: answers may be taken for spam.", "Let rspamd or OpenDKIM sign for the desk's domain what comes in at the submission service; a relay behind this Postfix may still sign.")
	case auth.Temporary:
		add(postfix.Warning, "The probe is signed, but DNS does not answer: "+auth.Reason+".", "Try again when it does.")
	case auth.Author == "":
		add(postfix.Error, "The probe is signed, but the signature proves nothing: "+auth.Reason+".", "The domain of the signature must be the desk's, and its key must be in DNS as the signer has it.")
	}
	return out
}

// roundTrip gives the probe as it came back.
func (a *app) roundTrip(ctx context.Context, cfg *config, site postfix.Site) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	if strings.HasPrefix(cfg.LMTP.Listen, "systemd") {
		return nil, errors.New("systemd has the socket, so that the mail would come to the agent")
	}
	if path, ok := strings.CutPrefix(cfg.LMTP.Listen, "unix:"); ok {
		if c, err := net.Dial("unix", path); err == nil {
			c.Close()
			return nil, errors.New("the agent runs, and the mail would become a ticket; stop it for a moment, other mail waits in Postfix's queue")
		}
	}
	p := &prober{id: fmt.Sprintf("postdesk-probe-%d", time.Now().UnixNano()), recipient: site.Samples[0], got: make(chan []byte, 1)}
	mode, err := strconv.ParseUint(cfg.LMTP.Mode, 8, 32)
	if err != nil {
		return nil, err
	}
	var uids []int
	if u, err := user.Lookup("postfix"); err == nil {
		uid, _ := strconv.Atoi(u.Uid)
		uids = append(uids, uid)
	}
	l, err := lmtp.Listen(ctx, cfg.LMTP.Listen, lmtp.ListenOptions{Mode: fs.FileMode(mode), Group: cfg.LMTP.Group, PeerUIDs: uids})
	if err != nil {
		return nil, err
	}
	s := lmtp.NewServer(lmtp.Config{Hostname: "postdesk-probe"}, p)
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, l) }()
	defer func() {
		_ = s.Shutdown(ctx)
		<-served
	}()
	if err := p.submit(ctx, cfg, site); err != nil {
		return nil, err
	}
	select {
	case raw := <-p.got:
		return raw, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("the probe did not come back within %s; postqueue -p says where it is", probeTime)
	}
}

func (p *prober) submit(ctx context.Context, cfg *config, site postfix.Site) error {
	conf, err := cfg.submission()
	if err != nil {
		return err
	}
	from := site.Senders[0]
	raw := strings.Join([]string{"From: " + from, "To: " + p.recipient, "Subject: a probe of postdesk", "Date: " + time.Now().Format(time.RFC1123Z),
		"Message-ID: <" + p.id + "@" + from[strings.LastIndexByte(from, '@')+1:] + ">", "Auto-Submitted: auto-generated", "",
		"It shows how the desk's mail leaves.", ""}, "\r\n")
	client := submission.NewClient(conf)
	defer client.Close()
	_, err = client.Submit(ctx, ticketing.Outgoing{Recipient: p.recipient, ReversePath: site.Senders[len(site.Senders)-1]}, []byte(raw))
	return err
}
