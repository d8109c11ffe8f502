package mail

import (
	"encoding/base64"
	"encoding/binary"
	"strings"
	"time"
)

// replyPrefix are the words by which mail clients of the world mark a reply, with
// Outlook's and Lotus's counters ("Re[2]:", "Re^2:"). Those that are words of a language
// as well are left out ("Ref: 4711", "R: a survey"), and so is what has a letter or digit
// right behind the colon ("re:Invent"): a mark too many is better than a word lost.
var replyPrefix = pattern(`(?i)^\s*(re|aw|sv|antw|vs|ynt|yan|res|odp|odg|ats|atb|bls|rif|vá|σχετ|απ|отв|отг|відп|` +
	`回复|答复|回覆|答覆|返信|회신|답장|رد|תגובה|ตอบ|ตอบกลับ)` +
	`\s*(\[\d+\]|\^\d+|\(\d+\))?\s*(:(\s|$|[^[:ascii:]])|：)`)

// ReplySubject is the subject of an answer: "RE: " once, and the original without the
// marks of replies before it. RFC 5322 section 3.6.5 wants one mark at most.
func ReplySubject(original string) string {
	return strings.TrimRight("RE: "+BaseSubject(original), " ")
}

// BaseSubject is a subject without the marks of replies: the topic of the thread, as
// Thread-Topic has it.
func BaseSubject(original string) string {
	subject := cleanText(original)
	for {
		m := replyPrefix().FindStringSubmatchIndex(subject)
		if m == nil {
			return subject
		}
		// Group 4 is the character behind the colon, which is the subject's.
		end := m[1]
		if m[8] >= 0 {
			end = m[8]
		}
		subject = strings.TrimLeft(subject[end:], " ")
	}
}

// validMsgID takes more than RFC 5322 section 3.6.4 does, since threads hang on the
// ids of others, but nothing that could end the id or the line.
func validMsgID(id string, utf8ok bool) bool {
	if id == "" || len(id) > 900 || !utf8ok && !isASCII(id) || cleanText(id) != id {
		return false
	}
	return !strings.ContainsAny(id, " <>")
}

// capReferences keeps the first id, which names the thread, and as many of the last as
// leave the whole field under the limit of one line: some servers unfold it.
func capReferences(ids []string, utf8ok bool) []string {
	var valid []string
	for _, id := range ids {
		if validMsgID(id, utf8ok) {
			valid = append(valid, id)
		}
	}
	if len(valid) == 0 {
		return nil
	}
	const punctuation = len(" <>")
	size := len("References:") + punctuation + len(valid[0])
	from := len(valid)
	for from > 1 && size+punctuation+len(valid[from-1]) < lineMax {
		from--
		size += punctuation + len(valid[from])
	}
	if from == len(valid) && from > 1 {
		// The parent matters more than the root, and both do not fit.
		return valid[from-1:]
	}
	return append(valid[:1:1], valid[from:]...)
}

// NewThreadIndex begins a thread for Outlook where nobody has yet: the header alone
// (MS-OXOMSG section 2.2.1.3). Who names the same thread gets the same one.
func NewThreadIndex(began time.Time, thread string) string {
	raw := binary.BigEndian.AppendUint64(nil, uint64(fileTime(began)))[:6]
	return base64.StdEncoding.EncodeToString(append(raw, digest("thread", thread)[:16]...))
}

// childThreadIndex appends a response level to the index of the message that is answered
// (MS-OXOMSG section 2.2.1.3). It is empty when the parent's is empty or malformed.
//
//	header: 6 octets, the upper ones of a FILETIME, and 16 octets of GUID
//	level:  1 bit unit, 31 bits time since the header, 4 bits random, 4 bits zero
func childThreadIndex(parent string, now time.Time, seed string) string {
	const header, level, levelsMax = 22, 5, 100
	// Long ones are folded, at any place (RFC 5322 section 2.2.3).
	raw, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(parent), ""))
	if err != nil || len(raw) < header || (len(raw)-header)%level != 0 {
		return ""
	}
	if len(raw) > header+levelsMax*level {
		raw = raw[:header]
	}
	started := int64(binary.BigEndian.Uint64(append([]byte{raw[0], raw[1], raw[2], raw[3], raw[4], raw[5]}, 0, 0)))
	delta := fileTime(now) - started
	if delta < 0 {
		delta = -delta
	}
	// Up to 2^49 units of 100 ns (1.7 years) in steps of 2^18 units, else of 2^23.
	step := uint32(delta >> 18 & 0x7fffffff)
	if delta >= 1<<49 {
		step = 1<<31 | uint32(delta>>23&0x7fffffff)
	}
	raw = binary.BigEndian.AppendUint32(raw, step)
	return base64.StdEncoding.EncodeToString(append(raw, digest("level", seed)[0]&0xf0))
}

// fileTime counts 100 ns from 1601.
func fileTime(t time.Time) int64 {
	const unixEpoch = 116444736000000000
	return t.Unix()*1e7 + int64(t.Nanosecond())/100 + unixEpoch
}
