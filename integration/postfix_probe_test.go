package integration

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"postdesk/integration/lab"
)

// A probe goes out through the submission port and comes back to the desk: what it shows is
// whether answers are signed, by a key that DNS has.
func TestPostfixProbe(t *testing.T) {
	t.Parallel()
	s := &site{stoppedDesk(t, 2*time.Minute, lab.Options{WithoutDesk: true}, lab.AgentOptions{})}
	s.must(s.Keys.Publish(lab.Domain))
	filter, err := lab.NewSigningOpenDKIM(t.TempDir(), lab.Domain, s.Keys)
	s.must(err)
	s.must(filter.Start(s.ctx))
	t.Cleanup(func() { _ = filter.Stop() })
	s.print()
	s.reload()

	s.probed("unsigned", "without a DKIM signature", "Nothing here was seen to sign")
	s.sh(s.expand(fmt.Sprintf("postconf -P $S/smtpd_milters=inet:127.0.0.1:%d", filter.Port)))
	s.reload()
	s.probed("signed")
	s.DNS.TXT(lab.Selector+"._domainkey."+lab.Domain, "v=DKIM1; k=rsa; p=")
	s.probed("signed by a key that is not valid any more", "the signature proves nothing")
	s.must(s.agent.Start(s.ctx))
	s.probed("beside the agent", "the agent runs")
}

// probed sends a probe and wants these findings about it, and no other of an agent that is
// there.
func (s *site) probed(name string, wanted ...string) {
	s.t.Helper()
	findings := s.check(nil, "--probe")
	for _, want := range wanted {
		found := false
		for _, f := range findings {
			found = found || strings.Contains(f.What, want)
		}
		if !found {
			s.t.Errorf("%s: no %q in %+v", name, want, findings)
		}
	}
	for _, f := range findings {
		ours := strings.Contains(f.What, "The socket cannot be seen") // the agent does not run
		for _, want := range wanted {
			ours = ours || strings.Contains(f.What, want)
		}
		if !ours {
			s.t.Errorf("%s: %+v", name, f)
		}
	}
}
