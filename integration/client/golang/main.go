// Command client plays the story of a desk as a program outside does, with what
// oapi-codegen makes of the OpenAPI document: a mail comes in, it is answered, and the
// feed tells that the answer is on its way.
package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"client/api"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := story(ctx, os.Getenv("POSTDESK_URL"), os.Getenv("POSTDESK_TOKEN")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func story(ctx context.Context, url, token string) error {
	c, err := api.NewClientWithResponses(url, api.WithRequestEditorFn(func(_ context.Context, r *http.Request) error {
		r.Header.Set("Authorization", "Bearer "+token)
		return nil
	}))
	if err != nil {
		return err
	}
	received, err := await(ctx, c, 0, "message.received")
	if err != nil {
		return err
	}
	name := *received.Ticket
	ticket, err := c.GetTicketWithResponse(ctx, name)
	if err != nil || ticket.JSON200 == nil {
		return fmt.Errorf("the ticket: %w, %s", err, ticket.Body)
	}
	messages, err := c.ListMessagesWithResponse(ctx, name, &api.ListMessagesParams{})
	if err != nil || messages.JSON200 == nil || len(messages.JSON200.Items) != 1 {
		return fmt.Errorf("its messages: %w, %s", err, messages.Body)
	}
	question := messages.JSON200.Items[0]
	key, match := fmt.Sprint("answer to ", question.Id), []string{ticket.HTTPResponse.Header.Get("ETag")}
	answer := api.AddReplyJSONRequestBody{Text: "You asked: " + strings.TrimSpace(question.NewText)}
	for range 2 { // asked twice with one key, it is added once
		reply, err := c.AddReplyWithResponse(ctx, name, &api.AddReplyParams{IdempotencyKey: &key, IfMatch: &match}, answer)
		if err != nil || reply.JSON201 == nil {
			return fmt.Errorf("the answer: %w, %s", err, reply.Body)
		}
	}
	sent, err := await(ctx, c, received.Seq, "message.submitted")
	if err != nil {
		return err
	}
	fmt.Println(*sent.Ticket, (*sent.Facts)["queue_id"])
	return nil
}

// await follows the feed by long poll.
func await(ctx context.Context, c *api.ClientWithResponses, after int64, kind string) (api.Event, error) {
	for wait := int64(20); ; {
		page, err := c.ListEventsWithResponse(ctx, &api.ListEventsParams{After: &after, Wait: &wait})
		if err != nil {
			return api.Event{}, err
		}
		if page.JSON200 == nil {
			return api.Event{}, errors.New(string(page.Body))
		}
		for _, e := range page.JSON200.Items {
			if e.Type == kind {
				return e, nil
			}
		}
		after = page.JSON200.Next
	}
}
