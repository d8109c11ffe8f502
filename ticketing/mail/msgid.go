package mail

import "strings"

// msgIDMax is the longest msg-id that is kept: more does not fit on a line (RFC 5322
// section 2.1.1).
const msgIDMax = 990

// MessageIDs gives the msg-ids of a field (RFC 5322 section 3.6.4) without angle brackets,
// in order, each once. It reads the text once, whatever stands in it. Ids without brackets
// are taken when the field has no others.
func MessageIDs(s string) []string {
	var ids []string
	seen := map[string]bool{}
	add := func(id string) {
		id = squeeze(id)
		if id != "" && len(id) <= msgIDMax && !seen[id] {
			seen[id] = true
			ids = append(ids, id)
		}
	}
	start := -1
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '<':
			start = i + 1
		case '>':
			if start >= 0 {
				add(s[start:i])
			}
			start = -1
		}
	}
	if len(ids) > 0 {
		return ids
	}
	for _, word := range strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(" \t,;()\"<>", r) }) {
		if at := strings.IndexByte(word, '@'); at > 0 && at < len(word)-1 {
			add(word)
		}
	}
	return ids
}

// squeeze takes out white space and controls: folding in the middle of an id adds them.
func squeeze(s string) string {
	return strings.Map(func(r rune) rune {
		if r <= ' ' || unsafeRune(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}
