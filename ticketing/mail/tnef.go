package mail

import (
	"bytes"
	"encoding/binary"
	"strconv"
	"strings"
)

// Outlook wraps what it sends into one file, winmail.dat (MS-OXTNEF): attributes of the
// message and of each attachment, some of which hold MAPI properties.
const (
	tnefSignature  = 0x223e9f78
	tnefDepthMax   = 5
	tnefBody       = 0x800c
	tnefAttachData = 0x800f
	tnefAttachName = 0x8010
	tnefAttachNew  = 0x9002
	tnefProps      = 0x9003
	tnefAttach     = 0x9005
	tnefCodepage   = 0x9007
)

// MAPI property ids (MS-OXPROPS).
const (
	propBody      = 0x1000
	propRTF       = 0x1009
	propHTML      = 0x1013
	propData      = 0x3701
	propName      = 0x3704
	propLongName  = 0x3707
	propMIMEType  = 0x370e
	propContentID = 0x3712
)

// tnefFile is what is in a winmail.dat.
type tnefFile struct {
	text, html string
	rtf        []byte
	charset    string
	files      []Attachment
}

// isTNEF goes by the content: the name and the type are often lost.
func isTNEF(b []byte) bool {
	return len(b) > 6 && binary.LittleEndian.Uint32(b) == tnefSignature
}

// readTNEF reads as far as the file is whole.
func readTNEF(b []byte, depth int) (f tnefFile, whole bool) {
	if !isTNEF(b) || depth > tnefDepthMax {
		return f, false
	}
	b = b[6:]
	for len(b) >= 11 && len(f.files) < partsMax {
		id := binary.LittleEndian.Uint16(b[1:])
		size := int(binary.LittleEndian.Uint32(b[5:]))
		if size < 0 || size > len(b)-11 {
			break
		}
		f.attribute(id, b[9:9+size], depth)
		b = b[9+size+2:] // a checksum follows
	}
	return f, len(b) < 11
}

func (f *tnefFile) attribute(id uint16, data []byte, depth int) {
	last := len(f.files) - 1
	switch id {
	case tnefAttachNew:
		f.files = append(f.files, Attachment{Type: "application/octet-stream"})
	case tnefCodepage:
		if len(data) >= 4 {
			f.charset = codepageName(binary.LittleEndian.Uint32(data))
		}
	case tnefBody:
		f.text, _ = toUTF8(bytes.TrimRight(data, "\x00"), f.charset, "")
	case tnefProps:
		for _, p := range readProps(data) {
			switch p.id {
			case propBody:
				f.text = p.utf8(f.charset)
			case propHTML:
				f.html = p.utf8(f.charset)
			case propRTF:
				f.rtf = p.value
			}
		}
	case tnefAttachName:
		if last >= 0 && f.files[last].Name == "" {
			name, _ := toUTF8(bytes.TrimRight(data, "\x00"), f.charset, "")
			f.files[last].Name = shownName(name)
		}
	case tnefAttachData:
		if last >= 0 {
			f.files[last].Content = data
		}
	case tnefAttach:
		if last >= 0 {
			f.attachment(last, readProps(data), depth)
		}
	}
}

// attachment reads the properties of one attachment; a message in it is opened too.
func (f *tnefFile) attachment(i int, props []mapiProp, depth int) {
	short := ""
	for _, p := range props {
		text := p.utf8(f.charset)
		switch p.id {
		case propLongName:
			f.files[i].Name = shownName(text)
		case propName:
			short = shownName(text)
		case propMIMEType:
			if t := strings.ToLower(text); isMediaType(t) {
				f.files[i].Type = t
			}
		case propContentID:
			f.files[i].ContentID = squeeze(strings.Trim(text, "<>"))
		case propData:
			f.files[i].Content = p.value
			if len(p.value) > 16 && isTNEF(p.value[16:]) { // behind the GUID of the interface
				f.files[i].Content = p.value[16:]
				inner, _ := readTNEF(p.value[16:], depth+1)
				f.files = append(f.files, inner.files...)
			}
		}
	}
	if f.files[i].Name == "" {
		f.files[i].Name = short
	}
}

// codepageName is the label of a Windows code page.
func codepageName(n uint32) string { return "cp" + strconv.FormatUint(uint64(n), 10) }

// mapiProp is a property with a value of variable length, the first of it when there are
// several.
type mapiProp struct {
	id    uint16
	kind  uint16
	value []byte
}

// utf8 is the value as text.
func (p mapiProp) utf8(charset string) string {
	if p.kind == mapiUnicode {
		charset = "utf-16le"
	}
	s, _ := toUTF8(p.value, charset, "")
	return strings.Trim(s, "\x00")
}

const (
	mapiObject  = 0x0d
	mapiString  = 0x1e
	mapiUnicode = 0x1f
	mapiBinary  = 0x102
	mapiMulti   = 0x1000
)

// readProps reads a property list (MS-OXTNEF section 2.1.3.4).
func readProps(b []byte) []mapiProp {
	r := binReader{b: b}
	var out []mapiProp
	for n := r.u32(); n > 0 && !r.bad; n-- {
		tag := r.u32()
		kind, id := uint16(tag), uint16(tag>>16)
		if id >= 0x8000 { // a named property
			r.take(16)
			if kindOfName := r.u32(); kindOfName == 1 {
				r.padded()
			} else {
				r.take(4)
			}
		}
		p := mapiProp{id: id, kind: kind &^ mapiMulti}
		width := map[uint16]int{2: 4, 3: 4, 4: 4, 0xa: 4, 0xb: 4, 5: 8, 6: 8, 7: 8, 0x14: 8, 0x40: 8, 0x48: 16}[p.kind]
		switch p.kind {
		case mapiObject, mapiString, mapiUnicode, mapiBinary:
			for count := r.u32(); count > 0 && !r.bad; count-- {
				if v := r.padded(); p.value == nil {
					p.value = v
				}
			}
			if !r.bad {
				out = append(out, p)
			}
			continue
		case 0, 1:
			continue
		}
		count := 1
		if kind&mapiMulti != 0 {
			count = int(r.u32())
		}
		if width == 0 || count > len(b) {
			break // of a length that nobody knows
		}
		r.take(width * count)
	}
	return out
}

// binReader reads little-endian numbers, and nothing behind the end.
type binReader struct {
	b   []byte
	bad bool
}

func (r *binReader) take(n int) []byte {
	if n < 0 || n > len(r.b) {
		r.bad, r.b = true, nil
		return nil
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

func (r *binReader) u32() uint32 {
	if v := r.take(4); v != nil {
		return binary.LittleEndian.Uint32(v)
	}
	return 0
}

// padded reads a length, so many octets, and the padding to four.
func (r *binReader) padded() []byte {
	n := int(r.u32())
	v := r.take(n)
	r.take(min((4-n%4)%4, len(r.b)))
	return v
}

// rtfDictionary is what compressed RTF begins to copy from (MS-OXRTFCP section 2.1.2.1).
const rtfDictionary = `{\rtf1\ansi\mac\deff0\deftab720{\fonttbl;}{\f0\fnil \froman \fswiss \fmodern \fscript ` +
	`\fdecor MS Sans SerifSymbolArialTimes New RomanCourier{\colortbl\red0\green0\blue0` + "\r\n" +
	`\par \pard\plain\f0\fs20\b\i\u\tab\tx`

// unpackRTF undoes the compression of MS-OXRTFCP.
func unpackRTF(b []byte) []byte {
	const window = 4096
	if len(b) < 16 {
		return nil
	}
	if string(b[8:12]) == "MELA" {
		return b[16:]
	}
	if string(b[8:12]) != "LZFu" {
		return nil
	}
	size := int(binary.LittleEndian.Uint32(b[4:]))
	b = b[16:]
	var dict [window]byte
	at := copy(dict[:], rtfDictionary)
	var out []byte
	put := func(c byte) {
		out = append(out, c)
		dict[at] = c
		at = (at + 1) % window
	}
	for len(b) > 0 && len(out) < min(size, decodedMax) {
		flags := b[0]
		b = b[1:]
		for bit := 0; bit < 8 && len(b) > 0; bit++ {
			if flags>>bit&1 == 0 {
				put(b[0])
				b = b[1:]
				continue
			}
			if len(b) < 2 {
				return out
			}
			ref := int(b[0])<<8 | int(b[1])
			b = b[2:]
			from := ref >> 4
			if from == at { // the mark of the end
				return out
			}
			for n := ref&15 + 2; n > 0; n-- {
				put(dict[from])
				from = (from + 1) % window
			}
		}
	}
	return out
}

// signedContent is the entity inside an S/MIME signed-data that is not detached (RFC 8551
// section 3.5.2), nil when there is none, as in encrypted mail. The signature is not
// checked here.
func signedContent(b []byte) []byte {
	info := berChildren(b)
	if len(info) == 0 {
		return nil
	}
	parts := berChildren(info[0].content) // ContentInfo: type, [0] content
	if len(parts) < 2 || !bytes.Equal(parts[0].content, []byte("\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02")) {
		return nil
	}
	signed := berChildren(parts[1].content)
	if len(signed) == 0 {
		return nil
	}
	fields := berChildren(signed[0].content) // version, digestAlgorithms, encapContentInfo
	if len(fields) < 3 {
		return nil
	}
	encap := berChildren(fields[2].content)
	if len(encap) < 2 {
		return nil
	}
	return berOctets(encap[1].content, 0)
}

// berValue is one element of BER; encoding/asn1 reads only DER, and mail has both.
type berValue struct {
	tag         byte
	constructed bool
	content     []byte
}

const berDepthMax = 16

// berChildren reads the elements that stand side by side in b, as far as they are whole.
func berChildren(b []byte) []berValue {
	var out []berValue
	for len(b) > 0 && len(out) < 10000 {
		v, n := berRead(b, 0)
		if n == 0 || v.tag == 0 {
			break
		}
		out = append(out, v)
		b = b[n:]
	}
	return out
}

// berRead reads one element and gives its whole length, 0 when it is broken.
func berRead(b []byte, depth int) (berValue, int) {
	if len(b) < 2 || depth > berDepthMax || b[0]&0x1f == 0x1f {
		return berValue{}, 0
	}
	v := berValue{tag: b[0], constructed: b[0]&0x20 != 0}
	length, head := int(b[1]), 2
	switch {
	case length == 0x80: // indefinite: up to two zero octets
		at := head
		for at+1 < len(b) && (b[at] != 0 || b[at+1] != 0) {
			_, n := berRead(b[at:], depth+1)
			if n == 0 {
				return berValue{}, 0
			}
			at += n
		}
		v.content = b[head:min(at, len(b))]
		return v, min(at+2, len(b))
	case length > 0x80:
		n := length & 0x7f
		if n > 4 || len(b) < head+n {
			return berValue{}, 0
		}
		length = 0
		for _, c := range b[head : head+n] {
			length = length<<8 | int(c)
		}
		head += n
	}
	if length > len(b)-head {
		return berValue{}, 0
	}
	v.content = b[head : head+length]
	return v, head + length
}

// berOctets joins the pieces of an octet string.
func berOctets(b []byte, depth int) []byte {
	var out []byte
	for _, v := range berChildren(b) {
		if v.constructed && depth < berDepthMax {
			out = append(out, berOctets(v.content, depth+1)...)
		} else if v.tag == 0x04 {
			out = append(out, v.content...)
		}
	}
	return out
}
