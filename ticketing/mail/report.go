package mail

import (
	"strconv"
	"strings"
	"time"
)

// readReport reads a delivery report with a machine-readable part (RFC 3464).
func readReport(m *Message, root *entity) *Report {
	var status, returned *entity
	root.walk(func(e *entity) bool {
		switch e.mediaType {
		case "message/delivery-status", "message/global-delivery-status":
			if status == nil {
				status = e
			}
		case "message/rfc822", "text/rfc822-headers", "message/global", "message/global-headers":
			if returned == nil {
				returned = e
			}
			return false
		}
		return true
	})
	if status == nil {
		return readTextReport(m)
	}
	r := &Report{}
	for _, block := range fieldBlocks(status.body) {
		if v := get(block, "Original-Envelope-Id"); v != "" {
			r.OriginalEnvelopeID = v
		}
		if rec, ok := readRecipient(block); ok {
			r.Recipients = append(r.Recipients, rec)
		}
	}
	if returned != nil {
		fields, _ := headerOf(returned.body)
		if ids := MessageIDs(get(fields, "Message-ID")); len(ids) > 0 {
			r.OriginalMessageID = ids[0]
		}
	}
	return r
}

// fieldBlocks are the per-message and per-recipient fields (RFC 3464 section 2.1).
func fieldBlocks(body []byte) [][]field {
	var blocks [][]field
	for len(body) > 0 && len(blocks) < partsMax {
		fields, rest := headerOf(body)
		if len(fields) > 0 {
			blocks = append(blocks, fields)
		}
		body = rest
	}
	return blocks
}

// headerOf reads the fields at the head of a block, with no message to complain about.
func headerOf(raw []byte) ([]field, []byte) {
	p := &parsing{m: &Message{}, deadline: time.Now().Add(timeMax), seen: map[string]bool{}}
	return p.header(raw)
}

func get(fields []field, name string) string {
	for _, f := range fields {
		if equalFold(f.name, name) {
			return f.value
		}
	}
	return ""
}

// withoutType takes off "rfc822;" and "smtp;".
func withoutType(v string) string {
	if _, after, ok := strings.Cut(v, ";"); ok {
		v = after
	}
	return DecodeHeader(v)
}

func readRecipient(block []field) (ReportRecipient, bool) {
	address := get(block, "Original-Recipient")
	if address == "" {
		address = get(block, "Final-Recipient")
	}
	action, _, _ := strings.Cut(strings.ToLower(get(block, "Action")), " ")
	if address == "" || action == "" {
		return ReportRecipient{}, false
	}
	status, _, _ := strings.Cut(get(block, "Status"), " ")
	r := ReportRecipient{Address: strings.Trim(withoutType(address), "<> "), Action: action, Status: DecodeHeader(status), Diagnostic: withoutType(get(block, "Diagnostic-Code"))}
	if len(r.Diagnostic) >= 3 {
		if code, err := strconv.Atoi(r.Diagnostic[:3]); err == nil && code >= 200 && code < 600 {
			r.ReplyCode = code
		}
	}
	r.Permanent = strings.HasPrefix(r.Status, "5") || r.Status == "" && action == "failed"
	return r, true
}
