#!/bin/sh
# Answers who has forgotten a password, once in a ticket, and leaves the rest to people:
#   postdesk consume passwords --type message.received --proven -- ./answer.sh
# One event comes on standard input. Exit code 0 says that it is done with; with any other
# it comes again later. However often it comes, the customer gets one answer: postdesk
# reply takes its key from the event. Needs jq.
set -eu
event=$(cat)
asks=$(printf %s "$event" | jq '(.ticket.subject + " " + .message.new_text | test("password"; "i"))
  and (.event.facts.automatic != "true") and (.ticket.tags | index("password-answered") | not)')
[ "$asks" = true ] || exit 0
postdesk reply "$POSTDESK_TICKET" --text "You can [set a new password](https://www.example.com/reset) yourself.
If that does not help, answer this mail: a person will read it."
postdesk tag "$POSTDESK_TICKET" password-answered
