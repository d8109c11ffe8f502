package mail

import "strings"

// extractNew gives what the author wrote. Until quotes are told apart that is all of it.
func extractNew(m *Message) string {
	if m.Text != "" {
		return m.Text
	}
	return m.HTMLText
}

// classify goes by the one field that says it for certain (RFC 3834 section 5).
func classify(m *Message) Automatic {
	for _, v := range m.Header("Auto-Submitted") {
		v, _, _ = strings.Cut(v, ";")
		if v = strings.ToLower(strings.TrimSpace(v)); v != "" && v != "no" {
			return Automatic{Automatic: true, Suppress: true, Why: "Auto-Submitted: " + oneLine(v)}
		}
	}
	return Automatic{}
}
