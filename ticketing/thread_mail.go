package ticketing

import (
	"slices"
	"strings"
	"time"

	"postdesk/ticketing/mail"
)

// refsMax is how many references of a mail are looked at: the first, which names the
// thread, and the last. peopleMax is for those who write to everybody.
const refsMax, peopleMax = 32, 32

// NewThreadMail takes from a mail what threading needs. ours says whether an address is
// of the desk itself, with whom everybody talks; date is when the mail was written.
func NewThreadMail(m *mail.Message, aliases Aliases, ours func(address string) bool, date time.Time) ThreadMail {
	t := ThreadMail{ID: digest64(m.MessageID), Date: date.Unix()}
	refs := threadRefs(m)
	if len(refs) > refsMax {
		refs = slices.Concat(refs[:1], refs[len(refs)-refsMax+1:])
	}
	for _, id := range refs {
		t.Refs = append(t.Refs, digest64(id))
	}
	subject, numbers := aliases.Split(m.Subject)
	subject = strings.Join(strings.Fields(subject), " ")
	base := strings.Join(strings.Fields(mail.ReplySubject(subject)[len("RE:"):]), " ")
	t.Subject, t.Reply = digest64(strings.ToLower(base)), len(base) < len(subject)
	if len(numbers) > 0 {
		t.Tag = digest64(numbers[0])
	}
	for _, a := range slices.Concat(m.From, m.ReplyTo, m.To, m.Cc) {
		address := strings.ToLower(a.Address)
		if d := digest64(address); d != 0 && len(t.People) < peopleMax && !slices.Contains(t.People, d) && !ours(address) {
			t.People = append(t.People, d)
		}
	}
	return t
}

// threadRefs are the msg-ids of the mails that a mail answers or reports on, the one
// before it last.
func threadRefs(m *mail.Message) []string {
	refs := slices.Concat(m.References, m.InReplyTo)
	if m.Report != nil && m.Report.OriginalMessageID != "" {
		refs = append(refs, m.Report.OriginalMessageID)
	}
	return refs
}
