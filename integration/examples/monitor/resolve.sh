#!/bin/sh
# Resolves the ticket of a host when each of its services is OK again:
#   postdesk consume monitor --queue ALERTS --type message.received --proven -- ./resolve.sh
# postdesk.toml beside this file gathers the monitor's mail by host. An alarm after that
# opens a new ticket. Subjects are as "CRITICAL: disk on web1", "OK: disk on web1". Needs jq.
set -eu
export MONITOR="${MONITOR:-monitor@company.example}"
cat > /dev/null # the event: the ticket's name, in the environment, is enough
ticket=$(postdesk ticket show "$POSTDESK_TICKET" --json)
# Anybody can write "OK": only what is proven to be the monitor's counts.
well=$(printf %s "$ticket" | jq '[.messages[] | select(.authentication.author == env.MONITOR)
  | .subject | capture("^(?<state>[A-Z]+): (?<service>.+)")]
  | reduce .[] as $m ({}; .[$m.service] = $m.state) | length > 0 and all(. == "OK")')
[ "$well" = true ] || exit 0
postdesk status "$POSTDESK_TICKET" resolved
