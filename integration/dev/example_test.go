package dev_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"strings"

	"postdesk/integration/dev"
	"postdesk/integration/sink"
)

// A customer writes, a program answers by the API, and the answer goes out by mail.
func Example() {
	ctx := context.Background()
	desk, err := dev.Start(ctx, dev.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = desk.Stop() }()

	outcomes, err := desk.Deliver(ctx, dev.Delivery{
		ReversePath: "jane@customer.example", To: []string{dev.Address}, Sign: true,
		Raw: []byte("From: Jane <jane@customer.example>\nTo: new@support-ticket.example\nSubject: I can't login!\n\nIt says 403.\n"),
	})
	if err != nil {
		log.Fatal(err)
	}
	ticket := outcomes[0].Ticket
	fmt.Println(ticket, "by", outcomes[0].Author)

	req, err := http.NewRequest("POST", desk.URL+"/api/v1/tickets/"+ticket+"/replies", strings.NewReader(`{"text": "Please try again."}`))
	if err != nil {
		log.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+desk.Token)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Idempotency-Key", "1")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		log.Fatal(err)
	}
	_ = res.Body.Close()

	answer, err := desk.Sink.Wait(ctx, "the answer", func(m sink.Mail) bool { return strings.HasPrefix(m.Header("Subject"), "RE: ") })
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(answer.To[0], answer.Header("Subject"))
	// Output:
	// SUPPORT-1 by jane@customer.example
	// jane@customer.example RE: I can't login!
}
