package main

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// local are the commands that ask no agent, or that are themselves programs of the API.
const local = ""

// operations are the commands, each with the operation of the API that does the same.
var operations = map[string]string{
	"ticket list": "listTickets", "ticket show": "getTicket", "ticket open": "openTicket", "search": "searchMessages", "reply": "addReply", "note": "addNote", "ask": "addQuestion",
	"ticket redact": "redactMessage", "person export": "exportPerson", "person erase": "erasePerson", "retention": "retire", "status": "updateTicket", "assign": "updateTicket", "prio": "updateTicket", "tag": "updateTicket", "ref": "addReference",
	"held": "listHeld", "accept": "acceptMessage", "dismiss": "dismissMessage",
	"participant list": "getTicket", "participant add": "addParticipant", "participant remove": "removeParticipant", "participant mute": "muteParticipant", "participant unmute": "muteParticipant", "participant revoke": "revokeParticipant",
	"events": "streamEvents", "queue list": "listOutgoing", "queue retry": "retryOutgoing", "queue cancel": "cancelOutgoing", "queue hold": "holdOutgoing", "queue release": "holdOutgoing",
	"key list": "listKeys", "key rotate": "rotateKey", "import": "addImport", "token add": "createToken", "token list": "listTokens", "token revoke": "removeToken",
	"inspect": "explain", "consume": "streamConsumer", "consumer list": "listConsumers", "consumer seek": "seekConsumer", "consumer remove": "removeConsumer",

	// Of the machine, not of the desk.
	"serve": local, "check": local, "dev start": local, "dev deliver": local, "dev answer": local, "postfix print": local, "postfix check": local, "version": local,
	"config show": local, "config check": local, "config example": local, "backup": local, "restore": local, "verify": local, "compact": local, "systemd": local, "man": local, "completion": local,
}

// What a command does a program can do by the API.
func TestEveryCommandIsInTheAPI(t *testing.T) {
	d := newDesk(t)
	d.start()
	res, err := http.Get("http://" + d.logged("HTTP API")["address"].(string) + "/api/v1/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var doc struct {
		Paths map[string]map[string]struct{ OperationID string }
	}
	if err := json.NewDecoder(res.Body).Decode(&doc); err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{local: true}
	for _, methods := range doc.Paths {
		for _, o := range methods {
			there[o.OperationID] = true
		}
	}
	parser, err := newParser(&commands{}, io.Discard, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	for _, leaf := range parser.Model.Leaves(false) {
		name := strings.TrimPrefix(commandPath(leaf), " ")
		operation, known := operations[name]
		if !known {
			t.Errorf("postdesk %s: which operation of the API does the same?", name)
		} else if !there[operation] {
			t.Errorf("postdesk %s: the API has no operation %s", name, operation)
		}
	}
}

func commandPath(n *kong.Node) string {
	if n.Type == kong.ApplicationNode {
		return ""
	}
	return commandPath(n.Parent) + " " + n.Name
}

// A day with the commands that programs outside need.
func TestCommandsForPrograms(t *testing.T) {
	d := newDesk(t)
	d.start()
	name := strings.TrimSpace(d.run(0, "ticket", "open", "--queue", "SUPPORT", "--to", "kim@customer.example", "--subject", "Your order", "--text", "It is here.", "--ref", "github:o/r#1", "--key", "k"))
	if again := strings.TrimSpace(d.run(0, "ticket", "open", "--queue", "SUPPORT", "--to", "kim@customer.example", "--subject", "Your order", "--text", "It is here.", "--ref", "github:o/r#1", "--key", "k")); again != name || !strings.HasPrefix(name, "SUPPORT-") {
		t.Errorf("%q, and again %q", name, again)
	}
	if out := d.run(65, "ticket", "open", "--queue", "SUPPORT", "--to", "kim@customer.example", "--subject", "x", "--text", "x", "--ref", "github:o/r#1"); !strings.Contains(out, name) {
		t.Errorf("a second ticket for one thing: %s", out)
	}
	d.run(66, "ticket", "open", "--queue", "NONE", "--to", "kim@customer.example", "--subject", "x", "--text", "x")
	if out := d.run(0, "ref", name, "jira:AB-1"); !strings.Contains(out, "github:o/r#1 jira:AB-1") {
		t.Errorf("ref: %s", out)
	}
	if out := d.run(0, "ticket", "list", "--ref", "jira:AB-1"); !strings.Contains(out, name) {
		t.Errorf("by reference: %s", out)
	}
	d.run(0, "ref", name, "jira:AB-1", "--remove")
	d.run(66, "ref", name, "jira:AB-1", "--remove")
	d.run(0, "consume", "robot", "--once", "--", "true")
	if out := d.run(0, "consumer", "seek", "robot", "1"); !strings.Contains(out, "after event 1") {
		t.Errorf("seek: %s", out)
	}
	d.run(64, "consumer", "seek", "robot", "nowhere")
	secret := strings.TrimSpace(d.run(0, "token", "add", "--name", "bridge", "--scope", "read,reply", "--queue", "support", "--program"))
	if list := d.run(0, "token", "list"); !strings.Contains(list, "read,reply") || !strings.Contains(list, "SUPPORT") || !strings.Contains(list, "program") || strings.Contains(list, secret) {
		t.Errorf("token list: %s", list)
	}
	d.run(0, "token", "revoke", "1")
}
