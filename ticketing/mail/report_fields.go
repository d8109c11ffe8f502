package mail

import (
	"strconv"
	"strings"
)

// readStatus reads the fields of a delivery-status part, or of a text that has them. Real
// ones lack the empty lines, have too many of them, or write values that the RFC does not
// know.
func (r *Report) readStatus(text string) {
	var open []field // the recipient that is being read
	for _, block := range statusBlocks(text) {
		if v := get(block, "Original-Envelope-Id"); v != "" {
			r.OriginalEnvelopeID = v
		}
		// An empty line ends a recipient only when another begins below it.
		if names(block) && names(open) && get(open, "Action")+get(open, "Status") != "" {
			r.addFields(open)
			open = nil
		}
		for _, f := range block {
			// A field that is there already begins another one, without an empty line.
			if isRecipientField(f.name) && get(open, f.name) != "" {
				r.addFields(open)
				open = nil
			}
			open = append(open, f)
		}
	}
	r.addFields(open)
}

// names says whether a group of fields names a recipient.
func names(fields []field) bool {
	return get(fields, "Final-Recipient")+get(fields, "Original-Recipient") != ""
}

func isRecipientField(name string) bool {
	return equalFold(name, "Final-Recipient") || equalFold(name, "Original-Recipient")
}

// statusFields are the fields of RFC 3464 and its relatives that are read.
var statusFields = []string{"Original-Envelope-Id", "Reporting-MTA", "Original-Recipient", "Final-Recipient", "Action", "Status",
	"Remote-MTA", "Diagnostic-Code", "X-Actual-Recipient", "X-Supplementary-Info", "Last-Attempt-Date", "Will-Retry-Until", "Arrival-Date"}

// statusBlocks gives the groups of fields (RFC 3464 section 2.1). In text they may be
// indented or quoted; lines of other kinds are passed over.
func statusBlocks(text string) [][]field {
	var blocks [][]field
	var block []field
	fields := 0
	for line := range strings.SplitSeq(text, "\n") {
		bare := strings.TrimLeft(line, " \t>|")
		if strings.TrimSpace(bare) == "" {
			if len(block) > 0 {
				blocks = append(blocks, block)
			}
			block = nil
			continue
		}
		name := strings.TrimSpace(fieldName([]byte(bare)))
		known := ""
		for _, n := range statusFields {
			if equalFold(n, name) {
				known = n
			}
		}
		switch {
		case known != "" && fields < fieldsMax:
			fields++
			block = append(block, field{known, strings.TrimSpace(bare[strings.IndexByte(bare, ':')+1:])})
		case len(block) > 0 && line != bare && (name == "" || line[0] == '\t' || line[0] == ' '):
			last := &block[len(block)-1]
			if len(last.value) < 4000 {
				last.value = strings.TrimSpace(last.value + " " + strings.TrimSpace(bare))
			}
		}
	}
	if len(block) > 0 {
		blocks = append(blocks, block)
	}
	return blocks
}

// addFields makes a recipient of its fields; a group without an address is none.
func (r *Report) addFields(fields []field) {
	final, original := plainAddress(get(fields, "Final-Recipient")), plainAddress(get(fields, "Original-Recipient"))
	rec := ReportRecipient{Address: final, Diagnostic: withoutType(get(fields, "Diagnostic-Code"))}
	switch {
	case final == "" && original == "":
		rec.Address = plainAddress(get(fields, "X-Actual-Recipient"))
	case original != "" && isInnerName(final, original):
		rec.Address = original
	case original != "" && !strings.EqualFold(final, original):
		rec.Original = original
	}
	if rec.Address == "" || rec.Address == "unknown" || len(r.Recipients) >= recipientsMax {
		return
	}
	rec.Status = firstStatus(get(fields, "Status"))
	// "5.0.0" says no more than that it failed; what the other server said may say why.
	if exact := firstStatus(rec.Diagnostic); exact != "" && (rec.Status == "" || strings.HasSuffix(rec.Status, ".0.0") && rec.Status[0] == exact[0]) {
		rec.Status = exact
	}
	rec.Action = readAction(get(fields, "Action"), rec.Status)
	if rec.Action == "" {
		return // neither an action nor a status: nothing is said of this recipient
	}
	rec.ReplyCode = firstCode(rec.Diagnostic)
	rec.settle(rec.Diagnostic)
	r.put(rec)
}

// put adds a recipient, or makes a known one say more.
func (r *Report) put(rec ReportRecipient) {
	for _, known := range r.Recipients {
		if strings.EqualFold(known.Address, rec.Address) && known.Action == rec.Action {
			return
		}
	}
	r.Recipients = append(r.Recipients, rec)
}

// settle says whether a failure is for good, and finds a status in words when no code is
// given.
func (rec *ReportRecipient) settle(words string) {
	if rec.Status == "" {
		rec.Permanent = rec.Action != "delayed" && !isSuccess(rec.Action)
		if !isSuccess(rec.Action) {
			rec.Status = statusOfWords(words, rec.Permanent)
		}
		return
	}
	rec.Permanent = rec.Status[0] == '5' && rec.Action != "delayed"
}

func isSuccess(action string) bool {
	return action == "delivered" || action == "relayed" || action == "expanded"
}

// readAction gives the action of RFC 3464 section 2.3.3, with the words that some programs
// use instead. What is missing is taken from the status.
func readAction(v, status string) string {
	v = strings.ToLower(strings.TrimSpace(v))
	v, _, _ = strings.Cut(v, " ")
	v = strings.Trim(v, "();,.\"'")
	switch v {
	case "failure", "fail", "error", "undeliverable", "bounced", "rejected":
		return "failed"
	case "delay", "deferred", "warning":
		return "delayed"
	case "deliverable", "success":
		return "delivered"
	case "":
		if status == "" {
			return ""
		}
		if status[0] == '2' {
			return "delivered"
		}
		return "failed"
	}
	return v
}

// plainAddress takes the type, brackets and comments from an address of a report (RFC 3464
// section 2.3.1), and decodes what RFC 6533 section 3 writes for other scripts.
func plainAddress(v string) string {
	v = withoutType(v)
	if i, j := strings.LastIndexByte(v, '<'), strings.LastIndexByte(v, '>'); i >= 0 && j > i+1 {
		v = v[i+1 : j]
	}
	if i := strings.Index(v, " ("); i > 0 {
		v = v[:i]
	}
	v = strings.Trim(v, "<>\"' ;,")
	if strings.Contains(v, `\x{`) {
		v = unitext().ReplaceAllStringFunc(v, func(s string) string {
			n, err := strconv.ParseUint(s[3:len(s)-1], 16, 21)
			if err != nil || n < 0x20 || n >= 0xd800 && n < 0xe000 || n > 0x10ffff {
				return s
			}
			return string(rune(n))
		})
	}
	return cleanText(v)
}

// unitext is a character as utf-8-addr-unitext writes it (RFC 6533 section 3).
var unitext = pattern(`\\x\{[0-9A-Fa-f]{2,6}\}`)

// isInnerName says whether a final recipient is only what a site calls the original one
// inside: no address of Internet mail, or one of the same site. An address elsewhere is
// another mailbox, to which the mail was forwarded, and is the one that failed.
func isInnerName(final, original string) bool {
	at := strings.LastIndexByte(final, '@')
	if at <= 0 || strings.ContainsAny(final, "/ ") || strings.HasPrefix(final, "@") || !strings.Contains(final[at:], ".") {
		return strings.Contains(original, "@") || at <= 0
	}
	site := strings.ToLower(original[strings.LastIndexByte(original, '@')+1:])
	host := strings.ToLower(final[at+1:])
	return host == site || strings.HasSuffix(host, "."+site) || strings.HasSuffix(site, "."+host)
}

// withoutType takes off "rfc822;" and "smtp;".
func withoutType(v string) string {
	if kind, after, ok := strings.Cut(v, ";"); ok && len(kind) < 30 && !strings.ContainsAny(strings.TrimSpace(kind), " @<") {
		v = after
	}
	return DecodeHeader(strings.TrimSpace(v))
}

var (
	// An enhanced status code (RFC 3463 section 2), and no part of an IP address or of a
	// version: the subject is 0 to 7.
	statusCode = pattern(`(?:^|[^\d.A-Za-z])([245]\.[0-7]\.\d{1,3})(?:[^\d.]|\.(?:\D|$)|$)`)
	version    = pattern(`(?i)(?:version|release|build|esmtp|exim|sendmail|postfix|domino|server|rev)[ :v(]*\d+\.\d+\.\d+`)
	// A reply code (RFC 5321 section 4.2) of failure.
	replyCode = pattern(`(?:^|[^\w.:/@-])([45][0-57]\d)(?:[\s:;,)\]}>#."'-]|$)`)
)

// StatusIn is the enhanced status code (RFC 3463) in what a server said, empty for none.
func StatusIn(s string) string { return firstStatus(s[:min(len(s), reportLineMax)]) }

// firstStatus is the first status code of failure in a line, or else the first.
func firstStatus(s string) string {
	if strings.IndexByte(s, '.') < 0 {
		return ""
	}
	s = version().ReplaceAllString(s, " ")
	success := ""
	for range 4 {
		at := statusCode().FindStringSubmatchIndex(s)
		if at == nil {
			break
		}
		code := s[at[2]:at[3]]
		if code[0] != '2' {
			return code
		}
		if success == "" {
			success = code
		}
		s = s[at[3]:]
	}
	return success
}

// firstCode is the first reply code of failure in a line, 0 when there is none.
func firstCode(s string) int {
	at := replyCode().FindStringSubmatch(s)
	if at == nil {
		return 0
	}
	n, _ := strconv.Atoi(at[1])
	return n
}
