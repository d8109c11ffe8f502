package mail

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"mime/quotedprintable"
	"path"
	"strings"
	"unicode/utf8"
)

// textPart encodes a text whose lines end in LF. It has no line end at its end: the
// delimiter that follows brings one.
func textPart(contentType, text string) *part {
	text = strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\r\n")
	p := &part{header: []string{"Content-Type: " + contentType}}
	if mostlyForeign(text) {
		p.header = append(p.header, "Content-Transfer-Encoding: base64")
		p.body = wrapBase64([]byte(text))
		return p
	}
	p.header = append(p.header, "Content-Transfer-Encoding: quoted-printable")
	var b bytes.Buffer
	q := quotedprintable.NewWriter(&b)
	q.Write([]byte(text)) // a bytes.Buffer never fails
	q.Close()
	p.body = b.Bytes()
	return p
}

// mostlyForeign is where base64 is the shorter one.
func mostlyForeign(s string) bool {
	n := 0
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			n++
		}
	}
	return n > len(s)/6
}

func wrapBase64(raw []byte) []byte {
	const octets = 57 // become 76 characters, RFC 2045 section 6.8
	var out []byte
	for len(raw) > octets {
		out = append(base64.StdEncoding.AppendEncode(out, raw[:octets]), '\r', '\n')
		raw = raw[octets:]
	}
	return base64.StdEncoding.AppendEncode(out, raw)
}

func filePart(a Attachment) (*part, error) {
	if a.Content == nil && a.Size > 0 {
		return nil, errors.New("its content is not loaded")
	}
	disposition := "attachment"
	if a.Inline {
		disposition = "inline"
	}
	p := &part{body: wrapBase64(a.Content), header: []string{
		"Content-Type: " + mediaType(a),
		"Content-Transfer-Encoding: base64",
		"Content-Disposition: " + disposition + parameter("filename", fileName(a.Name)),
	}}
	if a.ContentID == "" {
		return p, nil
	}
	if !validMsgID(a.ContentID, false) {
		return nil, fmt.Errorf("Content-ID: %q is no id", a.ContentID)
	}
	p.header = append(p.header, "Content-ID: <"+a.ContentID+">")
	return p, nil
}

// mediaType is the type of the attachment where it may be encoded in base64. That is
// forbidden for messages and multiparts (RFC 2046 section 5.2.1), whose octets we do
// not want to be changed on the way either: they travel as plain files.
func mediaType(a Attachment) string {
	kind, sub, ok := strings.Cut(strings.ToLower(a.Type), "/")
	if !ok || !isToken(kind) || !isToken(sub) || len(a.Type) > 100 || kind == "message" || kind == "multipart" {
		return "application/octet-stream"
	}
	if kind == "text" && utf8.Valid(a.Content) {
		return kind + "/" + sub + "; charset=utf-8"
	}
	return kind + "/" + sub
}

// isToken is RFC 2045 section 5.1.
func isToken(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] <= ' ' || s[i] > '~' || strings.IndexByte(`()<>@,;:\"/[]?=`, s[i]) >= 0 {
			return false
		}
	}
	return s != ""
}

// fileName leaves the last element of a path: where the reader saves it is his own choice.
func fileName(name string) string {
	name = cleanText(path.Base("/" + strings.ReplaceAll(cleanText(name), `\`, "/")))
	if name == "/" || name == "." || name == ".." {
		return ""
	}
	const longest = 255 // octets, NAME_MAX
	if len(name) > longest {
		ext := path.Ext(name)
		if len(ext) > 20 {
			ext = ""
		}
		name = strings.ToValidUTF8(name[:longest-len(ext)], "") + ext
	}
	return name
}

// FileName is a file name as it is shown: without directories, controls, and characters
// that nobody sees. It is empty when nothing is left.
func FileName(name string) string { return shownName(name) }

// parameter is a MIME parameter with the semicolon and fold before it: quoted when it is
// plain, else in the extended notation of RFC 2231, in pieces where it is long (section 3).
func parameter(name, value string) string {
	if value == "" {
		return ""
	}
	if isASCII(value) && len(value) <= wordMax && !strings.ContainsAny(value, `"\%`) && !strings.Contains(value, "=?") {
		return ";\r\n " + name + `="` + value + `"`
	}
	var pieces []string
	piece := "utf-8''"
	for _, r := range value {
		c := percentEncode(string(r))
		if len(piece)+len(c) > wordMax {
			pieces = append(pieces, piece)
			piece = ""
		}
		piece += c
	}
	pieces = append(pieces, piece)
	if len(pieces) == 1 {
		return ";\r\n " + name + "*=" + pieces[0]
	}
	var out strings.Builder
	for i, s := range pieces {
		fmt.Fprintf(&out, ";\r\n %s*%d*=%s", name, i, s)
	}
	return out.String()
}

func percentEncode(c string) string {
	if len(c) == 1 && (isAlnum(c[0]) || c == "." || c == "-" || c == "_") {
		return c
	}
	var out strings.Builder
	for i := 0; i < len(c); i++ {
		fmt.Fprintf(&out, "%%%02X", c[i])
	}
	return out.String()
}
