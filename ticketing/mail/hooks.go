package mail

// extractNew gives what the author wrote. Until quotes are told apart that is all of it.
func extractNew(m *Message) string {
	if m.Text != "" {
		return m.Text
	}
	return m.HTMLText
}
