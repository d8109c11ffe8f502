package verify

import (
	"bytes"
	"strings"
)

// header is what stands in the header as DKIM reads it: strictly, line by line. The
// parser of mail is lenient, and where the two would see two different messages nobody
// is proven by a signature.
type header struct {
	signatures []string // values of the DKIM-Signature fields, unfolded
	from       int      // how many From fields there are
	malformed  bool     // some line is neither a field nor the continuation of one
}

// readHeader reads up to the first empty line.
func readHeader(raw []byte) (h header) {
	signature, first := false, true
	for line := range lines(raw) {
		text := withoutEnd(line)
		if len(text) == 0 {
			return h
		}
		// Some readers take a bare CR for the end of a line.
		h.malformed = h.malformed || bytes.IndexByte(text, '\r') >= 0
		if text[0] == ' ' || text[0] == '\t' {
			h.malformed = h.malformed || first || len(bytes.TrimSpace(text)) == 0
			if n := len(h.signatures); signature && n > 0 {
				h.signatures[n-1] += string(text)
			}
			continue
		}
		name, value, ok := fieldOf(text)
		// An mbox file has a line of its own before the first field (RFC 4155).
		h.malformed = h.malformed || !ok && !(first && bytes.HasPrefix(bytes.TrimPrefix(text, []byte(">")), []byte("From ")))
		first = false
		if signature = strings.EqualFold(name, "DKIM-Signature"); signature {
			h.signatures = append(h.signatures, value)
		}
		if strings.EqualFold(name, "From") {
			h.from++
		}
	}
	return h
}

// fieldOf parts a field; white space before the colon is obsolete and allowed (RFC 5322
// section 4.5).
func fieldOf(line []byte) (name, value string, ok bool) {
	n, v, ok := bytes.Cut(line, []byte(":"))
	n = bytes.TrimRight(n, " \t")
	for _, c := range n {
		ok = ok && c > ' ' && c <= '~'
	}
	return string(n), string(v), ok && len(n) > 0
}

// lines gives each line with its end.
func lines(raw []byte) func(func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for len(raw) > 0 {
			end := bytes.IndexByte(raw, '\n') + 1
			if end == 0 {
				end = len(raw)
			}
			if !yield(raw[:end]) {
				return
			}
			raw = raw[end:]
		}
	}
}

func withoutEnd(line []byte) []byte {
	return bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
}

// keepSignatures gives the message with the chosen DKIM-Signature fields alone.
func keepSignatures(raw []byte, chosen []bool) []byte {
	var out bytes.Buffer
	n, keep, read := 0, true, 0
	for line := range lines(raw) {
		text := withoutEnd(line)
		if len(text) == 0 {
			break
		}
		read += len(line)
		if text[0] != ' ' && text[0] != '\t' {
			keep = true
			if name, _, _ := fieldOf(text); strings.EqualFold(name, "DKIM-Signature") {
				keep = n < len(chosen) && chosen[n]
				n++
			}
		}
		if keep {
			out.Write(line)
		}
	}
	out.Write(raw[read:])
	return out.Bytes()
}
