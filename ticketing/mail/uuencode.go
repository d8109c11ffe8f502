package mail

import (
	"bytes"
	"encoding/base64"
	"strings"
)

// transfer undoes the Content-Transfer-Encoding (RFC 2045 section 6). Bad input is decoded
// as far as it goes, never refused.
func (p *parsing) transfer(e *entity, body []byte) []byte {
	room := decodedMax - p.decoded
	if len(body) > room {
		p.problem("the parts are larger than %d octets; the rest is cut off", decodedMax)
		body = body[:max(room, 0)]
	}
	var out []byte
	switch cte := e.transferEncoding(); cte {
	case "base64":
		if !looksBase64(body) {
			p.problem("a part says that it is base64 and is not")
			out = body
			break
		}
		out = decodeBase64(body)
	case "quoted-printable":
		out = decodeQuotedPrintable(body)
	case "x-uuencode", "uuencode", "x-uue", "uue":
		files := uudecode(string(body))
		if len(files) == 0 {
			p.problem("a part says that it is uuencoded and is not")
			out = body
			break
		}
		out = files[0].content
		if e.name() == "" && files[0].name != "" {
			e.params["name"] = files[0].name
		}
	case "", "7bit", "8bit", "binary":
		out = body
	default:
		if !isBitWidth(cte) {
			p.problem("the transfer encoding %q is not known; the part is left as it is", clip(cte))
		}
		out = body
	}
	p.decoded += len(out)
	return out
}

// isBitWidth is for "8 bit", "7-bit" and the like, which mean no encoding.
func isBitWidth(cte string) bool {
	return strings.HasSuffix(cte, "bit") || strings.HasSuffix(cte, "bits") || cte == "none"
}

// looksBase64 is false for a body of words. Dots and other noise in a real one are no
// matter; a body of words has spaces everywhere.
func looksBase64(body []byte) bool {
	sample := body[:min(len(body), 4096)]
	good, bad := 0, 0
	for _, c := range sample {
		switch {
		case base64Value(c) >= 0 || c == '=':
			good++
		case c != '\r' && c != '\n':
			bad++
		}
	}
	return bad*10 <= good
}

// decodeBase64 skips what is not of the alphabet (RFC 2045 section 6.8). Padding ends a
// group, and more may follow: some join several encodings.
func decodeBase64(in []byte) []byte {
	out := make([]byte, len(in)/4*3+3)
	// What is right, as nearly all is, goes the quick way; it passes over line ends.
	if n, err := base64.StdEncoding.Decode(out, in); err == nil {
		return out[:n]
	}
	out = out[:0]
	var group uint32
	n := 0
	flush := func() {
		switch n {
		case 2:
			out = append(out, byte(group>>4))
		case 3:
			out = append(out, byte(group>>10), byte(group>>2))
		}
		group, n = 0, 0
	}
	for _, c := range in {
		v := base64Value(c)
		if v < 0 {
			if c == '=' {
				flush()
			}
			continue
		}
		group = group<<6 | uint32(v)
		if n++; n == 4 {
			out = append(out, byte(group>>16), byte(group>>8), byte(group))
			group, n = 0, 0
		}
	}
	flush()
	return out
}

// base64Value also takes the two characters of the alphabet for URLs (RFC 4648 section 5).
func base64Value(c byte) int {
	switch {
	case 'A' <= c && c <= 'Z':
		return int(c - 'A')
	case 'a' <= c && c <= 'z':
		return int(c-'a') + 26
	case '0' <= c && c <= '9':
		return int(c-'0') + 52
	case c == '+' || c == '-':
		return 62
	case c == '/' || c == '_':
		return 63
	}
	return -1
}

// decodeQuotedPrintable leaves an "=" that encodes nothing (RFC 2045 section 6.7, note 2).
func decodeQuotedPrintable(in []byte) []byte {
	out := make([]byte, 0, len(in))
	for len(in) > 0 {
		end := lineEnd(in, 0)
		line := in[:end]
		in = in[end:]
		text := bytes.TrimRight(line, "\r\n")
		ending := line[len(text):]
		// White space at the end of a line was added on the way (rule 3).
		text = bytes.TrimRight(text, " \t")
		if bytes.HasSuffix(text, []byte("=")) {
			text, ending = text[:len(text)-1], nil
		}
		for i := 0; i < len(text); i++ {
			if c, ok := hexPair(text, i+1); text[i] == '=' && ok {
				out = append(out, c)
				i += 2
				continue
			}
			out = append(out, text[i])
		}
		out = append(out, ending...)
	}
	return out
}

// uuFile is a file that stood uuencoded in a text.
type uuFile struct {
	name    string
	content []byte
}

// uudecode finds the uuencoded files in a text. Only a block whose lines all have the
// length they name counts: "begin 644 things" is a sentence.
func uudecode(text string) []uuFile {
	var files []uuFile
	for text != "" {
		if !strings.HasPrefix(text, "begin ") {
			i := strings.Index(text, "\nbegin ")
			if i < 0 {
				break
			}
			text = text[i+1:]
		}
		line, rest, _ := strings.Cut(text, "\n")
		text = rest
		if name, ok := uuBegin(line); ok {
			if file, n, ok := uuBlock(rest); ok {
				file.name = name
				files = append(files, file)
				text = rest[n:]
			}
		}
	}
	return files
}

// uuBegin reads "begin 644 name".
func uuBegin(line string) (string, bool) {
	rest, ok := strings.CutPrefix(strings.TrimRight(line, "\r"), "begin ")
	mode, name, ok2 := strings.Cut(rest, " ")
	if !ok || !ok2 || len(mode) < 3 || len(mode) > 4 || strings.Trim(mode, "01234567") != "" || strings.TrimSpace(name) == "" {
		return "", false
	}
	return name, true
}

// uuBlock decodes up to the line "end" and gives how long it was.
func uuBlock(text string) (uuFile, int, bool) {
	var f uuFile
	done := 0
	for done < len(text) {
		line, _, _ := strings.Cut(text[done:], "\n")
		next := min(done+len(line)+1, len(text))
		line = strings.TrimRight(line, "\r")
		if line == "end" {
			return f, next, true
		}
		ok := false
		if f.content, ok = uuLine(f.content, line); !ok {
			return uuFile{}, 0, false
		}
		done = next
	}
	// A block that is cut off is a file all the same.
	return f, done, len(f.content) > 0
}

func uuLine(out []byte, line string) ([]byte, bool) {
	if line == "" || line == "`" || strings.TrimSpace(line) == "" {
		return out, true
	}
	if line[0] < ' ' || line[0] > '`' {
		return out, false
	}
	n := int(line[0]-' ') & 63
	data := line[1:]
	// Spaces at the end are often lost; one character more is a checksum of some programs.
	want := (n + 2) / 3 * 4
	if len(data) > want+2 || n == 0 || len(data) < (n*4+2)/3-8 {
		return out, false
	}
	for len(data) < want {
		data += " "
	}
	for i := 0; i < want; i += 4 {
		var v [4]byte
		for j := range v {
			if data[i+j] < ' ' || data[i+j] > '`' {
				return out, false
			}
			v[j] = (data[i+j] - ' ') & 63
		}
		three := []byte{v[0]<<2 | v[1]>>4, v[1]<<4 | v[2]>>2, v[2]<<6 | v[3]}
		out = append(out, three[:min(3, n)]...)
		n -= min(3, n)
	}
	return out, true
}
