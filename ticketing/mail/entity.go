package mail

import "strings"

// entity is one MIME entity of a parsed message (RFC 2045 section 2.4), decoded.
type entity struct {
	fields      []field           // header fields in order, unfolded, not decoded
	mediaType   string            // lower case, "text/plain" when none is given or it cannot be read
	params      map[string]string // of Content-Type, decoded (RFC 2231), keys in lower case
	disposition string            // lower case, empty when there is none
	dispParams  map[string]string // of Content-Disposition, decoded, keys in lower case
	body        []byte            // octets after Content-Transfer-Encoding; for text in UTF-8 see text()
	children    []*entity         // of multipart/*; of message/rfc822 the one message in it
	hint        string            // charset of the message at large, when this entity names none
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

// first is the first field called name, empty when there is none.
func (e *entity) first(name string) string {
	for _, f := range e.fields {
		if equalFold(f.name, name) {
			return f.value
		}
	}
	return ""
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

// text is the body in UTF-8, with line ends as "\n" and without control characters.
func (e *entity) text() string {
	s, _ := e.decodeText(e.body)
	return s
}

// decodeText brings octets of this entity to UTF-8 and says what was wrong with them.
func (e *entity) decodeText(b []byte) (text, problem string) {
	label, hint := e.params["charset"], e.hint
	if e.mediaType == "text/html" && label == "" {
		if meta := metaCharset(b); meta != "" {
			hint = meta
		}
	}
	s, problem := toUTF8(b, label, hint)
	return normalText(s), problem
}

// name is the file name, as its author wrote it, decoded.
func (e *entity) name() string {
	if n := e.dispParams["filename"]; n != "" {
		return n
	}
	return e.params["name"]
}

// transferEncoding is the Content-Transfer-Encoding in lower case, without comment.
func (e *entity) transferEncoding() string {
	v := strings.ToLower(e.first("Content-Transfer-Encoding"))
	v, _, _ = strings.Cut(v, "(")
	return strings.Trim(v, " \t;\"'")
}
