package main

import (
	"net/http"
	"strconv"
	"strings"

	"postdesk/ticketing/web"
)

type tokenCmd struct {
	Add    tokenAddCmd    `cmd:"" aliases:"create" help:"Make a token; its secret is printed, once."`
	List   tokenListCmd   `cmd:"" help:"List tokens."`
	Revoke tokenRevokeCmd `cmd:"" aliases:"remove" help:"End a token."`
}

type tokenAddCmd struct {
	Name    string   `required:"" help:"Whose token it is; its replies bear this name."`
	Scope   []string `required:"" sep:"," enum:"read,open,reply,note,change,judge,people,consume,send,redact,write,admin" placeholder:"VERB" help:"What it may: read, open, reply, note, change, judge, people, consume, send, redact; write is all of these, and admin everything."`
	Queue   []string `placeholder:"KEY" help:"It sees these queues alone; all when none is named."`
	Program bool     `help:"A program has it: its replies are automatic mail (RFC 3834)."`
	JSON    bool     `name:"json" help:"Print the token as JSON."`
}

// Help is shown by: postdesk token add --help.
func (tokenAddCmd) Help() string {
	return "Only a hash of the secret is kept. A token of some queues gets nothing of the others, by no way: not their tickets, messages and files, and not their events."
}

func (cmd *tokenAddCmd) Run(a *app) error {
	c, err := a.dial("")
	if err != nil {
		return err
	}
	var t web.Token
	in := map[string]any{"name": cmd.Name, "scope": strings.Join(cmd.Scope, " "), "program": cmd.Program}
	if len(cmd.Queue) > 0 {
		in["queues"] = cmd.Queue
	}
	if err := c.do(a.ctx, http.MethodPost, "/api/v1/tokens", nil, in, &t); err != nil {
		return err
	}
	if cmd.JSON {
		return printJSON(a.stdout, t)
	}
	p := &printer{w: a.stdout}
	p.line("%s", t.Secret) // alone, so that a script can take it
	return p.err
}

type tokenListCmd struct {
	JSON bool `name:"json" help:"One JSON object a line."`
}

func (cmd *tokenListCmd) Run(a *app) error {
	c, err := a.dial("")
	if err != nil {
		return err
	}
	var list web.List[web.Token]
	if err := c.get(a.ctx, "/api/v1/tokens", nil, &list); err != nil {
		return err
	}
	if cmd.JSON {
		return printLines(a.stdout, list.Items)
	}
	t := newTable(a.stdout, "ID", "NAME", "SCOPE", "QUEUES", "KIND", "CREATED")
	for _, k := range list.Items {
		kind, queues := "human", "all"
		if k.Program {
			kind = "program"
		}
		if len(k.Queues) > 0 {
			queues = strings.Join(k.Queues, ",")
		}
		t.row(strconv.FormatInt(k.ID, 10), k.Name, strings.ReplaceAll(k.Scope, " ", ","), queues, kind, shortTime(k.Created))
	}
	return t.flush()
}

type tokenRevokeCmd struct {
	ID int64 `arg:"" help:"As token list gives it."`
}

func (cmd *tokenRevokeCmd) Run(a *app) error {
	c, err := a.dial("")
	if err != nil {
		return err
	}
	return c.do(a.ctx, http.MethodDelete, "/api/v1/tokens/"+strconv.FormatInt(cmd.ID, 10), nil, nil, nil)
}
