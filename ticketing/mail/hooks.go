package mail

// extractNew gives what the author wrote. Until quotes are told apart that is all of it.
func extractNew(m *Message) string {
	if m.Text != "" {
		return m.Text
	}
	return m.HTMLText
}

// classify says nothing yet: a message counts as written by a person.
func classify(*Message) Automatic { return Automatic{} }

// readReport finds no reports yet.
func readReport(*Message, *entity) *Report { return nil }
