package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"postdesk/integration/lab"
	"postdesk/integration/outside"
)

// Fixed ports, so that commands can be typed again after a restart.
const (
	mxPort         = 2525
	submissionPort = 2587
	httpPort       = 8025
)

// start runs until ctx ends.
func start(ctx context.Context, folder string) error {
	w, err := begin(ctx, folder, lab.Options{MXPort: mxPort, SubmissionPort: submissionPort, SinkDSN: true}, lab.AgentOptions{HTTPPort: httpPort, WithStaff: true})
	if err != nil {
		return err
	}
	defer w.end()
	out, err := outside.Open(folder, w.Lab)
	if err != nil {
		return err
	}
	defer func() { _ = out.Close() }()
	token, err := w.agent.Command(ctx, "token", "create", "--name", "try", "--scope", "write")
	if err != nil {
		return err
	}
	w.say(strings.TrimSpace(token))
	return w.follow(ctx, out)
}

func (w *world) say(token string) {
	fmt.Printf(`
postdesk runs behind a Postfix of its own.

  mail to new@%[1]s      127.0.0.1:%[2]d (SMTP, as from the outside)
  API and health                          %[3]s
  configuration, data, logs               %[4]s (gone after Ctrl-C)
  what comes out of the desk              shown here, and kept in run/mails

Try, in another terminal:

  go run ./integration/cmd/run send-signed --subject "I can't login!"
  %[5]s --config %[6]s reply SUPPORT-7102 --text "Please try again."
  go run ./integration/cmd/run answer --text "It works now."

As staff, from a mail program: %[9]s is told of each ticket, and the mail is in run/mails.
Answer it, or give commands on the first lines (TOKEN is what stands in its Reply-To):

  s-nail -Sv15-compat -Sreply-to-honour -Ssmtp-use-starttls -Ssmtp-auth=plain -Stls-verify=ignore -Sfrom=%[9]s \
    -Smta=smtp://%[10]s:%[11]s@127.0.0.1:%[12]d -f eml://run/mails/0001.eml
  swaks --server 127.0.0.1:%[12]d --tls --auth PLAIN --auth-user %[13]s --auth-password %[11]s --from %[9]s \
    --to SUPPORT-7102+TOKEN@%[1]s --body '!assign me\n!prio high\n\nPlease try again.'

Also:

  swaks --server 127.0.0.1:%[2]d --from bob@%[7]s --to new@%[1]s --header "Subject: Hello"
  %[5]s --config %[6]s ticket list
  curl -H "Authorization: Bearer %[8]s" %[3]s/api/v1/tickets

Ctrl-C ends it. The log:

`, w.Domain, w.MXPort, w.agent.URL, w.Dir, w.agent.Binary, w.agent.Config, lab.UnsignedDomain, token,
		w.StaffAddress, strings.Replace(w.StaffLogin, "@", "%40", 1), lab.Password, w.SubmissionPort, w.StaffLogin)
}

// follow prints the agent's log and the mails that come out, until ctx ends.
func (w *world) follow(ctx context.Context, out *outside.World) error {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	printed, kept := 0, 0
	for {
		if log := w.agent.Log(); len(log) > printed {
			fmt.Print(log[printed:])
			printed = len(log)
		}
		for _, m := range w.Sink.Mails()[kept:] {
			kept++
			path, err := out.Keep(kept, m)
			if err != nil {
				return err
			}
			fmt.Printf("-- out of the desk, to %s (%s):\n%s\n", strings.Join(m.To, " "), path, indent(m.Data))
		}
		if w.agent.PID() == 0 {
			return fmt.Errorf("the agent ended by itself")
		}
		select {
		case <-ctx.Done():
			fmt.Fprintln(os.Stderr, "\nstopping")
			return nil
		case <-tick.C:
		}
	}
}

// indent shows a mail apart from what is said about it.
func indent(raw []byte) string {
	text := strings.TrimRight(strings.ReplaceAll(string(raw), "\r\n", "\n"), "\n")
	return "   | " + strings.ReplaceAll(text, "\n", "\n   | ")
}
