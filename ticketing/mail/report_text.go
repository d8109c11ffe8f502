package mail

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Half of the world's reports have no machine-readable part. They are known by who
// sends them and by what they say, and read for addresses and codes.

var (
	daemon = regexp.MustCompile(`(?i)^(mailer[-_.]?daemon|mail[-_.]?daemon|postmaster|mdaemon|maildaemon|daemon|mail[-_.]?delivery|mail[-_.]?system|bounces?|mrelay|uucp)`)
	// Names that people use too: they need a code beside the words.
	perhaps = regexp.MustCompile(`(?i)^(no[-_.]?reply|root|system|mailadmin|administrator|admin)`)
	// What a report says of itself in its subject, or in its first lines.
	undelivered = regexp.MustCompile(`(?i)undeliver|non[- ]?deliver|not (be )?deliver|deliver(y|ing)[- ](status notification|failure|failed|error|problem|report|has failed|subsystem)|(failure|failed) (notice|delivery|to deliver)|` +
		`(mail|message|delivery) (delivery )?(failed|failure|error|status report)|returned (mail|to sender)|mail (system )?error|returning message|could ?n[o']t (be )?(deliver|send|sent)|unable to deliver|` +
		`unzustellbar|nicht zugestellt|zustell(ung|fehler)|non remis|échec de (la )?remise|no se (ha )?(podido|pudo)|no entregado|entrega fall|não (pôde|foi) (ser )?entreg|mancata consegna|impossibile recapitare|` +
		`onbestelbaar|kunde inte levereras|ikke leveres|не (может быть )?доставлен|недоставлен|配信不能|配信できません|送信できません|退信|投递失败|user unknown|unknown user|delivery notification|mail not delivered|` +
		`message (was )?(rejected|undeliverable)|email address (is )?(invalid|not valid)|address(es)? had (permanent|transient)|permanent fatal errors|warning: (message|could not send)|problem delivering|nondeliverable|can't be delivered`)
	delayed = regexp.MustCompile(`(?i)will (be |continue to )?(re)?tr(y|ied|ying)|still (being )?(tr(y|ied)|queued)|not yet been delivered|delivery (has been )?delayed|do not need to resend|no action is required|warning: message .{0,60}delayed|temporarily (deferred|delayed)|transient non-fatal|warning message only`)
	address = regexp.MustCompile(`[A-Za-z0-9!#$%&'*+/=?^_{|}~.-]+@[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)+`)
	// Where the message that comes back begins: below it no address is a failed one.
	copyBegins = regexp.MustCompile(`(?i)^[\s>|]*(return-path:|received:|message-id:|[-=_*#]{2,}.*(copy|original|returned|unsent|header|follow|begin|below|message).*|.*(copy of (the|your) (original )?message|original message (follows|headers)|message (text |header )?follows|headers? of (the|your) (original )?message|your message (reads|was)|message contents?|unsent message).*)$`)
	status     = regexp.MustCompile(`\b([245]\.\d{1,3}\.\d{1,3})\b`)
	code       = regexp.MustCompile(`(?:^|[^\d.])([45]\d\d)(?:[ -]|$)`)
)

// readTextReport reads a report that has no delivery-status part; nil when it is none.
func readTextReport(m *Message) *Report {
	text := m.Text
	if strings.TrimSpace(text) == "" {
		text = m.HTMLText
	}
	if len(text) > 64<<10 {
		text = text[:64<<10]
	}
	failed := m.Header("X-Failed-Recipients")
	if !isTextReport(m, text, len(failed) > 0) {
		return nil
	}
	words, rest := cutCopy(strings.Split(text, "\n"))
	r := &Report{}
	late := delayed.MatchString(strings.Join(words, " ")) || delayed.MatchString(m.Subject)
	for _, v := range failed {
		for _, a := range address.FindAllString(v, 100) {
			r.add(a, words, -1, late)
		}
	}
	// The fields of RFC 3464, written into the text.
	if i := strings.Index(text, "\nFinal-Recipient:"); i >= 0 {
		for _, block := range fieldBlocks([]byte(text[i+1:])) {
			if rec, ok := readRecipient(block); ok {
				r.Recipients = append(r.Recipients, rec)
			}
		}
	}
	if len(r.Recipients) == 0 {
		r.scan(m, words, late)
	}
	for _, line := range rest {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.EqualFold(strings.Trim(name, " >\t"), "Message-ID") {
			if ids := MessageIDs(value); len(ids) > 0 {
				r.OriginalMessageID = ids[0]
				break
			}
		}
	}
	return r
}

// isTextReport wants a program as the sender and the word of failure, so that a person
// who forwards a report, or complains of one, does not count.
func isTextReport(m *Message, text string, names bool) bool {
	if names {
		return true
	}
	null := slices.ContainsFunc(m.Header("Return-Path"), func(v string) bool { return strings.TrimSpace(v) == "<>" })
	// Most mail ends here, before anything is searched.
	if !null && !slices.ContainsFunc(m.From, func(a Address) bool {
		return daemon.MatchString(a.Address) || daemon.MatchString(a.Name) || perhaps.MatchString(a.Address) || strings.Contains(strings.ToLower(a.Name), "mail delivery")
	}) {
		return false
	}
	head := text
	if len(head) > 1500 {
		head = head[:1500]
	}
	says := undelivered.MatchString(m.Subject) || undelivered.MatchString(head)
	for _, a := range m.From {
		if (daemon.MatchString(a.Address) || daemon.MatchString(a.Name)) && (says || null && status.MatchString(head)) && !strings.HasPrefix(strings.ToLower(m.Subject), "re:") {
			return true
		}
		if perhaps.MatchString(a.Address) && says && (null || status.MatchString(head) || code.MatchString(head)) {
			return true
		}
		if strings.Contains(strings.ToLower(a.Name), "mail delivery") && says {
			return true
		}
	}
	return null && undelivered.MatchString(m.Subject)
}

// cutCopy separates the report's words from the message that comes back.
func cutCopy(lines []string) (words, rest []string) {
	for i, l := range lines {
		if i > 2 && copyBegins.MatchString(l) {
			return lines[:i], lines[i:]
		}
	}
	return lines, nil
}

// scan takes the addresses of the report's words. Those of the reporter and of the one
// who gets the report are no recipients, unless there are no others.
func (r *Report) scan(m *Message, words []string, late bool) {
	mine := map[string]bool{}
	for _, list := range [][]Address{m.From, m.To, m.Sender, m.ReplyTo} {
		for _, a := range list {
			mine[strings.ToLower(a.Address)] = true
		}
	}
	for _, own := range []bool{false, true} {
		for i, line := range words {
			for _, a := range address.FindAllString(line, 20) {
				lower := strings.ToLower(strings.Trim(a, ".'"))
				if mine[lower] == own && !daemon.MatchString(lower) && !strings.Contains(strings.ToLower(line), "message-id") {
					r.add(lower, words, i, late)
				}
			}
		}
		if len(r.Recipients) > 0 {
			return
		}
	}
}

// add notes a recipient with the codes that stand at its line or below, up to the next
// address.
func (r *Report) add(a string, words []string, at int, late bool) {
	a = strings.Trim(a, ".'")
	if i := strings.IndexByte(a, '='); i >= 0 && i < strings.IndexByte(a, '@') && i < 7 {
		a = a[i+1:] // "SMTP=jo@customer.example"
	}
	for _, known := range r.Recipients {
		if strings.EqualFold(known.Address, a) || len(r.Recipients) >= 100 {
			return
		}
	}
	rec := ReportRecipient{Address: a, Action: "failed"}
	if late {
		rec.Action = "delayed"
	}
	for i := max(at, 0); i < len(words) && (at < 0 || i < at+12); i++ {
		if at >= 0 && i > at && rec.Status == "" && rec.ReplyCode == 0 && i > at+1 && address.MatchString(words[i]) && !strings.Contains(strings.ToLower(words[i]), strings.ToLower(a)) && !status.MatchString(words[i]) && !code.MatchString(words[i]) {
			break
		}
		if s := status.FindStringSubmatch(words[i]); s != nil && rec.Status == "" {
			rec.Status = s[1]
			rec.Diagnostic = strings.TrimSpace(words[i])
		}
		if c := code.FindStringSubmatch(words[i]); c != nil && rec.ReplyCode == 0 {
			rec.ReplyCode, _ = strconv.Atoi(c[1])
			if rec.Diagnostic == "" {
				rec.Diagnostic = strings.TrimSpace(words[i])
			}
		}
	}
	switch {
	case rec.Status != "":
		rec.Permanent = rec.Status[0] == '5'
	case rec.ReplyCode != 0:
		rec.Permanent = rec.ReplyCode >= 500
	default:
		rec.Permanent = !late
	}
	r.Recipients = append(r.Recipients, rec)
}
