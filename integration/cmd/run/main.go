// Command run starts postdesk with neighbours of its own on loopback, to try it by
// hand: a private Postfix, DNS, and an outside world. It touches nothing of the
// machine's own mail system, and leaves nothing behind.
//
//	run               start, say what to try, follow the log until Ctrl-C
//	run send-signed   in a lab that runs: a customer writes to the desk
//	run answer        in a lab that runs: the customer answers the desk's last mail
//	run demo          play one conversation, show every mail, and end
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"postdesk/integration/lab"
	"postdesk/integration/outside"
)

func main() {
	// A terminal that is closed is like Ctrl-C: Postfix must not stay.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if err := command(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "run:", err)
		os.Exit(1)
	}
}

func command(ctx context.Context, args []string) error {
	name := "start"
	if len(args) > 0 && args[0][0] != '-' {
		name, args = args[0], args[1:]
	}
	flags := flag.NewFlagSet("run "+name, flag.ContinueOnError)
	folder := flags.String("folder", "run", "what `run` and the other commands share")
	from := flags.String("from", outside.Customer, "send-signed: who writes; "+lab.SignedDomain+" signs")
	subject := flags.String("subject", "I can't login!", "send-signed: the subject")
	text := flags.String("text", "", "send-signed, answer: the text")
	ticket := flags.String("ticket", "", "answer: to this ticket's last mail, as SUPPORT-7102")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("%q: %s takes flags only", flags.Arg(0), name)
	}
	switch name {
	case "start":
		return start(ctx, *folder)
	case "demo":
		return demo(ctx)
	case "send-signed", "answer":
		return customer(ctx, name, *folder, *from, *subject, *text, *ticket)
	}
	return fmt.Errorf("%q is none of start, demo, send-signed, answer", name)
}

// customer writes or answers in a lab that another process runs.
func customer(ctx context.Context, name, folder, from, subject, text, ticket string) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	w, err := outside.Find(folder)
	if err != nil {
		return err
	}
	letter := w.New(from, subject, or(text, "The page says 403, whatever password I type.\n"))
	if name == "answer" {
		if letter, err = w.Answer(ticket, or(text, "It works now, thank you.\n")); err != nil {
			return err
		}
	}
	if err := w.Write(ctx, letter); err != nil {
		return err
	}
	fmt.Printf("sent from %s to %s: %s\n", letter.From, letter.To, letter.Subject)
	return nil
}

func or(text, instead string) string {
	if text == "" {
		return instead
	}
	return text
}

// world is a lab with a ready agent.
type world struct {
	*lab.Lab
	agent *lab.Agent
}

// begin builds the agent into a folder and starts it in a lab.
func begin(ctx context.Context, folder string, o lab.Options, ao lab.AgentOptions) (*world, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	abs, err := filepath.Abs(folder)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute) // a first build takes long
	defer cancel()
	binary, err := lab.Build(ctx, abs)
	if err != nil {
		return nil, err
	}
	l, err := lab.Start(ctx, o)
	if err != nil {
		return nil, err
	}
	w := &world{Lab: l}
	if w.agent, err = l.NewAgent(binary, ao); err == nil {
		err = w.agent.Start(ctx)
	}
	if err != nil {
		w.end()
		return nil, err
	}
	return w, nil
}

// end stops all; what goes wrong is said and changes nothing.
func (w *world) end() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if w.agent != nil {
		if err := w.agent.Stop(ctx); err != nil {
			fmt.Fprintln(os.Stderr, "run:", err)
		}
	}
	if err := w.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, "run:", err)
	}
}
