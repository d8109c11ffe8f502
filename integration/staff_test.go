package integration

import (
	"fmt"
	"net/mail"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"postdesk/integration/lab"
)

// shift is a member of staff at work: with nothing but a mail program.
type shift struct {
	*desk
	read int // mails at the sink that were read
}

// next waits for the next mail to somebody, and passes over none of theirs.
func (s *shift) next(to, has string) lab.Mail {
	s.t.Helper()
	var found lab.Mail
	s.until(fmt.Sprintf("a mail to %s with %q", to, has), func() (bool, error) {
		all := s.Sink.Mails()
		for i, m := range all[s.read:] {
			if lab.To(to)(m) {
				found, s.read = m, s.read+i+1
				if !strings.Contains(text(m), has) {
					s.t.Fatalf("the next mail to %s has no %q:\n%s", to, has, m.Data)
				}
				return true, nil
			}
		}
		return false, fmt.Errorf("%d mails, the last: %s", len(all), all[max(0, len(all)-1):])
	})
	return found
}

// text is a mail as it is read, so far as that matters here: without soft line breaks.
func text(m lab.Mail) string {
	return strings.NewReplacer("=\r\n", "", "=3D", "=", " \r\n", " ").Replace(string(m.Data))
}

func (s *shift) replyTo(m lab.Mail) string {
	s.t.Helper()
	a, err := mail.ParseAddress(m.Header("Reply-To"))
	s.must(err)
	return a.Address
}

// run starts a mail program as a person does.
func (s *shift) run(stdin, program string, args ...string) {
	s.t.Helper()
	cmd := exec.CommandContext(s.ctx, program, args...)
	cmd.Stdin = strings.NewReader(stdin)
	cmd.Env = append(os.Environ(), "HOME="+s.Dir, "LC_ALL=C.UTF-8")
	// s-nail says that a mail was not sent and gives 0 all the same.
	if out, err := cmd.CombinedOutput(); err != nil || strings.Contains(string(out), "... message not sent") {
		s.t.Fatalf("%s: %v\n%s\nPostfix: %s", program, err, out, s.LogTail(10))
	}
}

// swaks answers by a program that speaks SMTP, logged in at the submission port.
func (s *shift) swaks(m lab.Mail, body string) {
	s.t.Helper()
	s.run("", "swaks", "--server", s.Submission(), "--tls", "--auth", "PLAIN", "--auth-user", s.StaffLogin, "--auth-password", lab.Password,
		"--from", s.StaffAddress, "--h-From", "Sam Hill <"+s.StaffAddress+">", "--to", s.replyTo(m), "--header", "Subject: Re: "+m.Header("Subject"),
		"--body", body+"\n\nOn Tuesday, the desk wrote:\n> "+strings.ReplaceAll(string(m.Data), "\r\n", "\n> ")+"\n-- \nSam Hill, room 5\n")
}

// snail answers with the command "reply" of a mail program, in the mailbox that the mail
// is in, logged in at the submission port.
func (s *shift) snail(m lab.Mail, body string) {
	s.t.Helper()
	box := filepath.Join(s.Dir, "mbox")
	from := "From desk@example.org Tue Nov 24 10:00:00 2026\n"
	s.must(os.WriteFile(box, []byte(from+strings.ReplaceAll(string(m.Data), "\r\n", "\n")+"\n\n"), 0o600))
	login := strings.Replace(s.StaffLogin, "@", "%40", 1)
	s.run("reply 1\n"+body+"\n.\nexit\n", "s-nail", "-:/", "-#", "-Sv15-compat", "-Sdot", "-Sfrom=Sam Hill <"+s.StaffAddress+">", "-Ssendwait", "-Sexpandaddr",
		"-Smta=smtp://"+login+":"+lab.Password+"@"+s.Submission(), "-Ssmtp-use-starttls", "-Ssmtp-auth=plain", "-Stls-verify=ignore", "-Sreply-to-honour", "-f", box)
}

// signed answers from a mail server that signs, by the port that the world uses.
func (s *shift) signed(m lab.Mail, from, body string) {
	s.t.Helper()
	letter := lab.Letter{From: from, To: s.replyTo(m), Subject: "Re: " + m.Header("Subject"), InReplyTo: strings.Trim(m.Header("Message-ID"), "<>"),
		MessageID: fmt.Sprintf("%d@%s", time.Now().UnixNano(), lab.StaffDomain), Body: body + "\n\nOn Tuesday, the desk wrote:\n> history\n"}
	raw, err := s.Keys.Sign(letter.Raw(), lab.StaffDomain)
	s.must(err)
	s.must(s.Send(s.ctx, from, []string{letter.To}, raw))
}

func (s *shift) status(want string) {
	s.t.Helper()
	s.until("status "+want, func() (bool, error) {
		k, err := s.api.Ticket(s.ctx, "SUPPORT-7102")
		if err == nil && k.Status != want {
			err = fmt.Errorf("it is %s", k.Status)
		}
		return err == nil, err
	})
}

// A member of staff does a whole day's work without a page and without an API.
func TestStaffDay(t *testing.T) {
	t.Parallel()
	if err := lab.Need("swaks", "s-nail"); err != nil {
		t.Fatal(err)
	}
	d := newDesk(t, time.Minute, lab.Options{}, lab.AgentOptions{WithStaff: true})
	s := &shift{desk: d}
	sam, ann := d.StaffAddress, "ann@"+lab.StaffDomain

	d.write(lab.Letter{From: jane, Name: "Jane Doe", To: "new@" + d.Domain, Subject: "I can't login!", MessageID: "first@" + lab.SignedDomain, Body: "The page says 403.\n"})
	told := s.next(sam, "> The page says 403.")
	s.swaks(told, "!assign me\n!prio high\n\nPlease try again, Jane.") // answer
	customer := s.next(jane, "Please try again, Jane.")
	if from := customer.Header("From"); !strings.Contains(from, "Sam Hill at Support") {
		t.Errorf("the customer reads From: %s", from)
	}
	s.status("waiting")
	s.read = 0
	s.next(sam, "> The page says 403.")
	done := s.next(sam, "Done: assigned to sam, priority high, answer sent.")

	s.snail(done, "!note\nShe may have two accounts.") // note
	done = s.next(sam, "Done: note added.")
	s.snail(done, "!status resolved") // resolve
	s.next(sam, "Done: status resolved.")
	s.status("resolved")

	d.write(lab.Letter{From: jane, To: s.replyTo(customer), Subject: "Re: I can't login!", MessageID: "second@" + lab.SignedDomain, Body: "No, it does not work.\n"})
	first := s.next(sam, "> No, it does not work.") // reopened by the customer
	s.status("open")
	s.swaks(first, "!assing ann\nI pass it on.") // unknown word
	s.next(sam, "!assing is no command")
	d.write(lab.Letter{From: jane, To: s.replyTo(customer), Subject: "Re: I can't login!", MessageID: "third@" + lab.SignedDomain, Body: "Wait: I found my other password.\n"})
	s.next(sam, "> Wait: I found my other password.")
	s.snail(first, "Send us a picture of it.") // the thread has moved on
	back := s.next(sam, "Your answer was not sent")
	for _, want := range []string{"Wait: I found my other password.", "Send us a picture of it."} {
		if !strings.Contains(text(back), want) {
			t.Errorf("%q does not come back:\n%s", want, back.Data)
		}
	}
	s.swaks(back, "!assign ann\n!status open") // assign
	mine := s.next(ann, "SUPPORT-7102 is yours now.")
	s.signed(mine, ann, "!status resolved\n\nGood that you found it.")
	before := s.read
	s.next(jane, "Good that you found it.")
	s.status("resolved")
	s.read = before                                                                   // what ann is told may have come sooner
	s.signed(s.next(ann, "Done: status resolved, answer sent."), ann, "!status open") // reopen
	s.status("open")

	unproven(s, mine, ann)
	s.customerSees()
}

// unproven: the same token without a signature, and by the login of somebody else, is held.
func unproven(s *shift, m lab.Mail, from string) {
	s.t.Helper()
	before, err := s.api.Messages(s.ctx, "SUPPORT-7102")
	s.must(err)
	s.must(s.Send(s.ctx, from, []string{s.replyTo(m)}, lab.Letter{From: from, To: s.replyTo(m), Subject: "x", MessageID: "forged@evil.example", Body: "!status closed\n\nSend money.\n"}.Raw()))
	s.waitMessages("SUPPORT-7102", len(before)+1)
	s.run("", "swaks", "--server", s.Submission(), "--tls", "--auth", "PLAIN", "--auth-user", s.StaffLogin, "--auth-password", lab.Password,
		"--from", s.StaffAddress, "--h-From", from, "--to", s.replyTo(m), "--body", "!status closed\n\nSend money.")
	messages := s.waitMessages("SUPPORT-7102", len(before)+2)
	for _, got := range messages[len(before):] {
		if got.Row != "6" || got.Visibility != "held" {
			s.t.Errorf("without proof: row %s, %s", got.Row, got.Visibility)
		}
	}
	s.status("open")
}

var tokenPattern = regexp.MustCompile(`(?i)SUPPORT-7102\+([0-9a-z.]+)@`)

// customerSees wants each customer to read one token, their own, and nothing of staff's.
func (s *shift) customerSees() {
	s.t.Helper()
	tokens := map[string]map[string]bool{} // by recipient
	for _, m := range s.Sink.Mails() {
		to := m.To[0]
		if tokens[to] == nil {
			tokens[to] = map[string]bool{}
		}
		body := text(m)
		for _, found := range tokenPattern.FindAllStringSubmatch(body, -1) {
			tokens[to][strings.ToLower(found[1])] = true
		}
		for _, secret := range []string{lab.StaffDomain, "room 5", "two accounts", "picture of it", "I pass it on", "Write your answer above", "Send money"} {
			if to == jane && strings.Contains(body, secret) {
				s.t.Errorf("the customer reads %q:\n%s", secret, m.Data)
			}
		}
	}
	if len(tokens[jane]) != 1 || len(tokens) != 3 {
		s.t.Errorf("tokens: %v", tokens)
	}
	for token := range tokens[jane] {
		if strings.Contains(token, ".") {
			s.t.Errorf("the customer has a token of staff: %s", token)
		}
	}
}
