package mail

// entity is one MIME entity of a parsed message (RFC 2045 section 2.4), decoded.
type entity struct {
	fields      []field           // header fields in order, unfolded, not decoded
	mediaType   string            // lower case, "text/plain" when none is given or it cannot be read
	params      map[string]string // of Content-Type, decoded (RFC 2231), keys in lower case
	disposition string            // lower case, empty when there is none
	dispParams  map[string]string // of Content-Disposition, decoded, keys in lower case
	body        []byte            // octets after Content-Transfer-Encoding; for text in UTF-8 see text()
	children    []*entity         // of multipart/*; of message/rfc822 the one message in it
}

// header gives the raw values of the fields called name (any case), in order.
func (e *entity) header(name string) []string {
	var out []string
	for _, f := range e.fields {
		if equalFold(f.name, name) {
			out = append(out, f.value)
		}
	}
	return out
}

// walk calls fn for e and every entity below it, depth first, until fn says false
// for a subtree.
func (e *entity) walk(fn func(*entity) bool) {
	if !fn(e) {
		return
	}
	for _, c := range e.children {
		c.walk(fn)
	}
}
