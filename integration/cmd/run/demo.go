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

// play is a conversation that is shown step by step.
type play struct {
	*world
	ctx  context.Context
	step int
}

// demo plays one conversation with real neighbours on free ports.
func demo(ctx context.Context) error {
	folder, err := os.MkdirTemp("", "postdesk-demo")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	w, err := begin(ctx, folder, lab.Options{SinkDSN: true}, lab.AgentOptions{})
	if err != nil {
		return err
	}
	defer w.end()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	p := &play{world: w, ctx: ctx}
	for _, act := range []func() error{p.firstMail, p.reply, p.answer, p.refused, p.feed} {
		if err := act(); err != nil {
			return err
		}
	}
	return nil
}

func (p *play) say(text string, args ...any) {
	p.step++
	fmt.Printf("\n%d. %s\n\n", p.step, fmt.Sprintf(text, args...))
}

// run shows a command of postdesk and what it prints.
func (p *play) run(args ...string) error {
	out, err := p.agent.Command(p.ctx, args...)
	if err != nil {
		return err
	}
	fmt.Printf("   $ postdesk%s\n%s\n", quoted(args), indent([]byte(out)))
	return nil
}

func quoted(args []string) (line string) {
	for _, a := range args {
		if strings.Contains(a, " ") {
			a = fmt.Sprintf("%q", a)
		}
		line += " " + a
	}
	return line
}

// write sends a signed letter and waits until it is on the desk.
func (p *play) write(m lab.Letter) error {
	raw, err := p.Keys.Sign(m.Raw(), lab.SignedDomain)
	if err != nil {
		return err
	}
	fmt.Println(indent(raw))
	if err := p.Send(p.ctx, m.From, []string{m.To}, raw); err != nil {
		return err
	}
	if err := p.Empty(p.ctx); err != nil {
		return err
	}
	return p.agent.Drained(p.ctx)
}

func (p *play) firstMail() error {
	p.say("Jane writes to new@%s; her server signs the mail (DKIM) and hands it to Postfix.", p.Domain)
	err := p.write(lab.Letter{From: outside.Customer, Name: "Jane Doe", To: "new@" + p.Domain, Subject: "I can't login!",
		MessageID: "first@" + lab.SignedDomain, Body: "The page says 403, whatever password I type.\n\nJane\n"})
	if err != nil {
		return err
	}
	p.say("Postfix handed it over by LMTP. It is a ticket, and its author is proven.")
	return p.run("ticket", "show", "SUPPORT-7102")
}

func (p *play) reply() error {
	p.say("Sam of support answers.")
	if err := p.run("reply", "SUPPORT-7102", "--as", "Sam", "--text", "Please try again: your account was locked."); err != nil {
		return err
	}
	p.say("The answer went back through Postfix's submission port. This is what Jane's server got.")
	m, err := p.Sink.Wait(p.ctx, "the answer", lab.To(outside.Customer))
	fmt.Println(indent(m.Data))
	return err
}

func (p *play) answer() error {
	p.say("Jane presses Reply. Her answer goes to Reply-To, whose token proves that she got our mail.")
	letter, err := outside.AnswerTo(p.Sink.Mails()[0], "It works now, thank you.\n")
	if err != nil {
		return err
	}
	if err := p.write(letter); err != nil {
		return err
	}
	p.say("It is on the same ticket.")
	return p.run("ticket", "show", "SUPPORT-7102")
}

func (p *play) refused() error {
	p.say("Mail to an address that cannot be the desk's is refused at port 25, so that nothing bounces later.")
	err := p.Write(p.ctx, lab.Letter{From: outside.Customer, To: "nobody@" + p.Domain, Subject: "x", Body: "x"})
	if err == nil {
		return fmt.Errorf("nobody@%s was accepted", p.Domain)
	}
	fmt.Printf("   | %s\n", err)
	return nil
}

func (p *play) feed() error {
	p.say("All of it is on the event feed, in one sequence, for programs to follow.")
	return p.run("events")
}
