package mail

import (
	"slices"
	"strings"
)

// How surely a line says that an address in it is one that failed.
const (
	tierNone  = iota // the address of somebody else: a contact, the author
	tierText         // it stands in the words
	tierWords        // a code or a reason stands beside it
	tierNamed        // it is called the recipient
	tierLine         // the line is there for it
)

// hit is one address in the words of a report.
type hit struct {
	address string
	line    int
	tier    int
	own     bool // it is the reporter's, or that of the one who gets the report
}

// reportLineMax is how much of a line is looked at.
const reportLineMax = 1000

const atext = "A-Za-z0-9!#$%&'*+/=?^_{|}~\\x60-"

var (
	address = pattern(`(?:[` + atext + `]+(?:\.+[` + atext + `]+)*\.?|"[^"\s]{1,64}")@[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)+`)
	// The line is the address, with marks, a name or a remark around it.
	onlyAddress = pattern(`^[\s*>.<\[(•·"'|:=,;+-]*(\d{1,3}[.)]\s+)?("[^"]*"\s*)?[\s<\["'(]*(?i:mailto:|smtp:|rfc822;\s*)?@@@[>\])"']*(\s*<@@@>)?\s*([:;,.…-]*|\.\.\.|\(.*|\[.*|<mailto:.*)\s*$`)
	// The line begins with it, and a reason follows.
	leadingAddress = pattern(`^[\s*>.<\[(•·"'|+-]*(\d{1,3}[.)]\s+)?[\s<\["'(]*(?i:mailto:|smtp:|rfc822;\s*)?@@@[>\])"']*\s*(<@@@>\s*)?([:;,(\[]|\.\.\.|-+\s|=|\son\s|\s\s|\t|/|(?i:is|was|has|does|could|failed|not|[45]\d\d|user|unknown|mailbox|host|said)\b)`)
	labelled       = pattern(`(?i)(recipients?|rcpt|addressee|(failed|e-?mail|recipient|bad|invalid|unknown|original|intended|destination|rejected|following) address(es)?|adress(e|at)|mailbox|destinat(aire|ario|ário|ion)|empfänger|destinatari|user ?(name)?|宛先|受信者|收件人|адресат|получател[ьюя])[\w/() -]{0,30}\s*[:=]\s*[\s<\["'(]*(smtp:|rfc822;|mailto:)?\s*@@@`)
	toAddress      = pattern(`(?i)((deliver|delivered|delivery|deliverable|send|sent|sending|message|mail|e-?mail|addressed|relay|failure|failed|reach|delivre|delivré|remis|envoyé|an|entregar|entregado|wasn't able|not|to (the )?(user|recipient|address|mailbox)( named)?|for (the )?(user|recipient|address|mailbox)) ?((message|mail|it|attempt|failed|address)s? )?(to|for|à|a|an|user|zu|address|recipient)?|following|delivered|reach|(user|recipient|account|mailbox|address|addressed)) ?[,:]?\s*[<\["'(]*(smtp:|mailto:)?@@@`)
	exchangeName   = pattern(`(?i)\bSMTP[=:]\s*@@@`)
	reasonWord     = pattern(`(?i)unknown|no such|not (exist|found|known|valid|listed|recogni|accept|deliver|allowed|have|our|a valid)|n't (exist|have|like|accept)|invalid|reject|refus|denied|disabled|full|quota|unavailable|fail|undeliver|expired|inactive|suspend|blocked|bounce|timed? ?out|no longer|unreach|too (large|big|long|many)|loop|不明|ありません|できません|не `)
	otherPerson    = pattern(`(?i)(^[\s>*-]*(from|sender|reply-to|return-path|errors-to|resent-from|message-?id|in-reply-to|references|id|subject|date|sent|cc|bcc|von|de|absender|x-[\w-]+|original sender|expéditeur|remetente|mittente)\s*:|mail from|message-id|envelope[- ](from|sender)|https?://|` +
		`contact|please (reply|send|forward|e-?mail|write|report|call)|for (further|more|additional)? ?(assistance|help|information)|questions|support|\bfrom:? [<"']*@@@|sent by|by [<"']*@@@|on behalf of|assistance|help ?desk|abuse@|reply to [<"']*@@@|sender [<"']*@@@|copy (of|to)|\breceived from\b|mts-id)`)
	headerTo     = pattern(`(?i)^[\s>*-]*(to|an|à|para|a|til|till|aan|do|кому|宛先)\s*:`)
	expandedFrom = pattern(`(?i)(expanded|generated|alias(ed)?|forwarded|redirected) from`)
	introducing  = pattern(`(?i)(following|these|this|those|below|affected|failed|intended|some|all|any|certain) .{0,30}(recipient|address|user|person|mailbox|people|group|destinat|empfänger)|recipients?\b.{0,60}:\s*$|not (be )?delivered to|deliver(ed|y|ing)? .{0,30}to:?\s*$|(did n[o']t|did not) reach|宛先|以下の|下記の|destinat|empfänger|следующ|addressed to`)
	bareUser     = pattern(`^[\s*>"'<-]*([A-Za-z0-9][A-Za-z0-9._+-]{0,63})[\s>"':;,]*$`)
)

// hits are the addresses in the words of a report, in order.
func (d *reading) hits() []hit {
	if d.found != nil {
		return d.found
	}
	d.found = []hit{}
	own := map[string]bool{}
	for _, list := range [][]Address{d.m.From, d.m.To, d.m.Sender, d.m.ReplyTo} {
		for _, a := range list {
			own[strings.ToLower(a.Address)] = true
		}
	}
	intro := -10
	for i, line := range d.lines {
		line = line[:min(len(line), reportLineMax)]
		found := address().FindAllStringIndex(line, 10)
		if introducing().MatchString(line) {
			intro = i
		} else if len(found) == 0 && strings.TrimSpace(line) != "" && i > intro+2 {
			intro = -10
		}
		if len(found) == 0 {
			continue
		}
		all := address().ReplaceAllStringFunc(line, func(s string) string { return cutBefore(s, bareAddress(s)) + "@@@" })
		for _, at := range found {
			a := bareAddress(line[at[0]:at[1]])
			one := line[:at[0]] + cutBefore(line[at[0]:at[1]], a) + "@@@" + line[at[1]:]
			h := hit{address: a, line: i, tier: tierOf(all, one, intro >= i-3)}
			h.own = own[strings.ToLower(a)] || daemon().MatchString(a)
			if h.tier != tierNone && len(d.found) < 4*recipientsMax {
				d.found = append(d.found, h)
			}
		}
	}
	return d.found
}

// bareAddress takes from an address what is glued to it: "SMTP=jo@customer.example".
func bareAddress(a string) string {
	a = strings.Trim(a, ".'`*|{}")
	if i := strings.LastIndexByte(a[:strings.LastIndexByte(a, '@')], '='); i >= 0 && i < 8 && isWord(a[:i]) {
		a = a[i+1:]
	}
	return a
}

// cutBefore is what stands before the address in what looked like one.
func cutBefore(found, a string) string {
	before, _, _ := strings.Cut(found, a)
	return before
}

func isWord(s string) bool {
	switch strings.ToLower(s) {
	case "smtp", "to", "rcpt", "user", "addr", "address", "mailto", "orcpt", "dda:smtp":
		return true
	}
	return false
}

// tierOf judges a line in which every address is written @@@; in one, only that in question.
func tierOf(all, one string, introduced bool) int {
	switch {
	case expandedFrom().MatchString(all) && strings.HasPrefix(strings.TrimSpace(all), "("):
		return tierLine
	case expandedFrom().MatchString(one) && strings.Index(one, "@@@") > expandedFrom().FindStringIndex(one)[0]:
		return tierText
	case exchangeName().MatchString(one):
		return tierLine
	case otherPerson().MatchString(one):
		return tierNone
	case onlyAddress().MatchString(all):
		if strings.HasPrefix(strings.TrimSpace(all), "<") || introduced || strings.Count(all, "@@@") == 1 {
			return tierLine
		}
		return tierNamed
	case headerTo().MatchString(all):
		return tierText
	case labelled().MatchString(one), leadingAddress().MatchString(one):
		return tierLine
	case introduced && strings.HasPrefix(strings.TrimSpace(all), "@@@"):
		return tierNamed // a list of them in one line
	case strings.Contains(strings.ToLower(all), "rcpt to"):
		return tierWords
	case toAddress().MatchString(one):
		return tierNamed
	case firstCode(all) != 0 && (strings.Contains(one, "<@@@>") || strings.Contains(one, "for @@@")):
		return tierNamed
	case reasonWord().MatchString(all), firstStatus(all) != "", firstCode(all) != 0:
		return tierWords
	}
	return tierText
}

// scan takes the addresses of the report's words that are most surely failed ones. Those of
// the reporter and of the one who gets the report count only when there are no others.
func (d *reading) scan(r *Report) {
	hits := d.hits()
	failed := d.failedField(hits)
	for _, pick := range []struct {
		tier int
		own  bool
	}{{tierLine, false}, {tierNamed, false}, {tierWords, false}, {tierLine, true}, {tierNamed, true}, {tierText, false}, {tierWords, true}} {
		if len(failed) > 0 {
			break
		}
		for _, h := range hits {
			if h.tier == pick.tier && h.own == pick.own {
				failed = append(failed, h)
			}
		}
		if len(failed) == 0 && pick.tier == tierNamed && !pick.own {
			failed = d.localUsers()
		}
	}
	failed = eachOnce(failed)
	for _, h := range failed {
		d.add(r, h.address, d.segment(h, failed))
	}
}

// eachOnce keeps the first hit of each address.
func eachOnce(hits []hit) []hit {
	seen := map[string]bool{}
	return slices.DeleteFunc(hits, func(h hit) bool {
		key := strings.ToLower(h.address)
		was := seen[key] || len(seen) >= recipientsMax
		seen[key] = seen[key] || !was
		return was
	})
}

// failedField takes what the reporter states in a header field.
func (d *reading) failedField(hits []hit) []hit {
	var out []hit
	for _, v := range d.m.Header("X-Failed-Recipients") {
		for _, a := range address().FindAllString(v[:min(len(v), 16<<10)], recipientsMax) {
			h := hit{address: bareAddress(a), line: -1}
			for _, known := range hits {
				if strings.EqualFold(known.address, h.address) && h.line < 0 {
					h.line = known.line
				}
			}
			out = append(out, h)
		}
	}
	return out
}

// localUsers is for reports that name a mailbox of the reporter's domain without it.
func (d *reading) localUsers() []hit {
	var out []hit
	if len(d.m.From) == 0 {
		return nil
	}
	domain := d.m.From[0].Address[strings.LastIndexByte(d.m.From[0].Address, '@')+1:]
	intro := -10
	for i, line := range d.lines {
		if introducing().MatchString(line) {
			intro = i
			continue
		}
		word := bareUser().FindStringSubmatch(line)
		if word != nil && i <= intro+3 && domain != "" && len(out) < recipientsMax && (line[0] == ' ' || line[0] == '\t') {
			out = append(out, hit{address: word[1] + "@" + domain, line: i})
			intro = i
		}
	}
	return out
}
