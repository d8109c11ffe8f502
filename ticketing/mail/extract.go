package mail

import (
	"regexp"
	"strings"
)

// extractMax is how much of a text is looked through for quotes, in octets; what is
// longer is shown whole.
const extractMax = 512 << 10

// A history begins within so many lines, and what introduces it is no longer than this:
// the search must not take long on a text that was made to be slow.
const (
	searchMax     = 1000
	lineSearchMax = 300
)

// extractNew gives what the author wrote, without quoted history and signature. When
// in doubt it shows more: nothing is cut from storage, and a sentence that is missing
// is worse than one that is there twice.
func extractNew(m *Message) string {
	text := m.Text
	if strings.TrimSpace(text) == "" {
		text = m.HTMLText
	}
	if len(text) > extractMax {
		return text
	}
	lines := strings.Split(strings.TrimRight(text, "\n \t"), "\n")
	out := strings.TrimSpace(strings.Join(withoutHistory(lines), "\n"))
	if out == "" {
		return text
	}
	return out
}

// withoutHistory drops the quotes and what introduces them, and the signatures.
func withoutHistory(lines []string) []string {
	var kept, part []string
	flush := func() {
		kept = append(kept, withoutSignature(part)...)
		part = nil
	}
	for i := 0; i < len(lines); i++ {
		line := lines[i]
		if isQuoted(line) {
			flush()
			continue
		}
		if i > searchMax || len(line) > lineSearchMax { // no introduction of a quote looks like this
			part = append(part, line)
			continue
		}
		if n := headerBlock(lines[i:]); n > 0 {
			// Outlook marks nothing below its block: all of it is history.
			flush()
			return trimBlank(kept)
		}
		if n := attribution(lines[i:]); n > 0 {
			flush()
			// At the very top it introduces what is answered below it.
			if !quotesFollow(lines[i+n:]) && len(trimBlank(kept)) > 0 {
				return trimBlank(kept)
			}
			i += n - 1
			continue
		}
		part = append(part, line)
	}
	flush()
	return trimBlank(kept)
}

func isQuoted(line string) bool {
	return strings.HasPrefix(strings.TrimLeft(line, " \t"), ">")
}

// quotesFollow says whether the next words are quoted: then answers may stand between
// the quotes, or below them.
func quotesFollow(lines []string) bool {
	for _, l := range lines {
		if strings.TrimSpace(l) != "" {
			return isQuoted(l)
		}
	}
	return false
}

func trimBlank(lines []string) []string {
	for len(lines) > 0 && strings.TrimSpace(lines[len(lines)-1]) == "" {
		lines = lines[:len(lines)-1]
	}
	return lines
}

// The labels of a forwarded header in the tongues of Outlook and Apple Mail.
var (
	fromLabel = labels(`from|von|de|da|van|från|fra|od|lähettäjä|feladó|от|кому|від|kimden|gönderen|από|发件人|寄件者|差出人|送信元|보낸 ?사람|מאת|من|expéditeur|remitente|afsender|nadawca|odesílatel|sender`)
	restLabel = labels(`sent|date|to|cc|subject|gesendet|datum|an|betreff|envoyé|date|à|objet|enviado( el)?|fecha|para|asunto|data|assunto|inviato|a|oggetto|verzonden|aan|onderwerp|skickat|till|ämne|` +
		`sendt|dato|til|emne|wysłano|do|temat|odesláno|komu|předmět|lähetetty|vastaanottaja|aihe|küldve|címzett|tárgy|отправлено|дата|кому|тема|надіслано|gönderilme|tarih|kime|konu|στάλθηκε|προς|θέμα|` +
		`发送时间|收件人|主题|寄件日期|收件者|主旨|送信日時|宛先|件名|보낸 ?날짜|받는 ?사람|제목|reply-to|répondre à|importance|priority`)
	separator = regexp.MustCompile(`(?i)^\s*[-_=*]{2,}\s*(original message|original appointment|forwarded message|reply message|ursprüngliche nachricht|originalnachricht|weitergeleitete nachricht|` +
		`message d['’]origine|message original|message transféré|mensaje original|mensaje reenviado|mensagem original|messaggio originale|messaggio inoltrato|oorspronkelijk bericht|origineel bericht|` +
		`ursprungligt meddelande|originalmeddelande|oprindelig meddelelse|opprinnelig melding|original besked|wiadomość oryginalna|oryginalna wiadomość|původní zpráva|alkuperäinen viesti|eredeti üzenet|` +
		`исходное сообщение|пересылаемое сообщение|оригінальне повідомлення|orijinal mesaj|αρχικό μήνυμα|原始邮件|原始郵件|元のメッセージ|원본 메시지)\s*[-_=*]{2,}`)
	rule = regexp.MustCompile(`^\s*[_-]{20,}\s*$`)
)

func labels(words string) *regexp.Regexp {
	return regexp.MustCompile(`(?i)^\s*\**\s*(` + words + `)\s*\**\s*[:：]`)
}

// headerBlock says how many lines introduce a history that is not marked: a separator,
// or the header of the message below. 0 is none.
func headerBlock(lines []string) int {
	if separator.MatchString(lines[0]) {
		return 1
	}
	if rule.MatchString(lines[0]) {
		for i := 1; i < min(4, len(lines)); i++ {
			if strings.TrimSpace(lines[i]) != "" {
				return headerFields(lines[i:], true)
			}
		}
		return 0
	}
	return headerFields(lines, false)
}

// headerFields wants a sender and two more fields close by: one alone is prose. Below a
// rule they may come in any order.
func headerFields(lines []string, anyOrder bool) int {
	if !fromLabel.MatchString(lines[0]) && !(anyOrder && restLabel.MatchString(lines[0])) {
		return 0
	}
	from, fields := false, 0
	for i := 0; i < min(9, len(lines)); i++ {
		switch {
		case fromLabel.MatchString(lines[i]) && !from:
			from = true
		case restLabel.MatchString(lines[i]):
			fields++
		}
		if from && fields >= 2 {
			return i + 1
		}
	}
	return 0
}

// The line above a quote: "On …, Jo wrote:", in its order in many tongues. It may be
// wrapped, so that several lines are read as one.
var (
	wrote = regexp.MustCompile(`(?i)(\bwrote|\bwrites|\bschrieb|\bschrijft|\bschreef|\ba écrit|\bécrit|\bescribió|\bescreveu|\bha scritto|\bscrive|\bskrev|\bskriver|\bkirjoitti|\bnapisał(\(a\)|a)?|\bnapsal(a)?|` +
		`\bírta|\bnapísal|\bpíše|\ba scris|\byazdı|\bşunu yazdı|\bje napisao|\bviết|написал(а)?|писал(а)?|пишет|написав|пише|написа|έγραψε|写道|寫道|のメッセージ|書きました|작성|เขียน|כתב|كتب|said)\b?\s*[:：]?\s*$`)
	dated   = regexp.MustCompile(`\d{4}|\d{1,2}[:.]\d{2}|\d{1,2}[./-]\d{1,2}`)
	opening = regexp.MustCompile(`(?i)^\s*\**\s*((on|am|le|el|em|il|op|den|på|w dniu|dnia|dne|de|a|at|vào|în|tarihinde)\s|\d{1,4}[-./年]|\d{1,2}\.? \p{L}|\p{L}{2,9}\.?,? \d|[^<>]{1,60}<\S+@\S+>)`)
	mailbox = regexp.MustCompile(`<?\S+@\S+\.\S+>?`)
)

// endsWrote looks at the end alone, where the verb stands.
func endsWrote(line string) bool {
	if len(line) > 40 {
		line = line[len(line)-40:]
	}
	return wrote.MatchString(line)
}

// attribution says how many lines introduce a quote, 0 for none.
func attribution(lines []string) int {
	if strings.TrimSpace(lines[0]) == "" || !opening.MatchString(lines[0]) && !endsWrote(lines[0]) {
		return 0
	}
	joined := ""
	for n := 1; n <= min(4, len(lines)); n++ {
		line := strings.TrimSpace(strings.ReplaceAll(lines[n-1], "\u00a0", " "))
		// A '>' may close the address that was wrapped before it.
		wrapped := strings.Count(joined, "<") > strings.Count(joined, ">") && len(line) < 40
		if line == "" || isQuoted(line) && !wrapped {
			return 0
		}
		joined = strings.TrimSpace(joined + " " + line)
		if len(joined) > 400 {
			return 0
		}
		if !strings.HasSuffix(joined, ":") && !strings.HasSuffix(joined, "：") && !endsWrote(joined) {
			continue
		}
		if dated.MatchString(joined) && (endsWrote(joined) || mailbox.MatchString(joined) && strings.HasSuffix(joined, ":")) {
			return n
		}
		if endsWrote(joined) && quotesFollow(lines[n:]) {
			return n
		}
	}
	return 0
}

// mobile are the lines that phones and programs put under a mail. A sentence that only
// begins like one has a comma, or more words.
var mobile = regexp.MustCompile(`(?i)^\s*\W{0,2}(sent (from|via|with) (my|a|the|yahoo|outlook|mail|gmail|proton|samsung|iphone|ipad)\b[^,]{0,60}|sent from mail for .{0,40}|get (outlook|bluemail) for .{0,30}|` +
	`von meine[mr] .{1,40} gesendet|gesendet (von|mit) .{1,50}|envoyé (de|depuis) (mon|ma|mes) .{1,40}|enviado (desde|do|de) (mi|meu|minha) .{1,40}|inviato da(l mio)? .{1,40}|verzonden vanaf mijn .{1,40}|` +
	`verstuurd vanaf mijn .{1,40}|skickat från min .{1,40}|sendt fra min .{1,40}|lähetetty .{1,40}|wysłane z .{1,40}|wysłano z .{1,40}|отправлено (с|из) .{1,50}|odesláno z .{1,40}|gönderildi|iphone'?umdan .{1,30}|iPhoneから送信|发自我的 ?\S{1,20})\s*$`)

// withoutSignature cuts one part of a text at its signature: below "-- " (RFC 3676
// section 4.3), or at a phone's line when nothing else follows.
func withoutSignature(part []string) []string {
	for i := len(part) - 1; i >= 0 && i >= len(part)-25; i-- {
		line := strings.TrimRight(part[i], "\r")
		if line == "-- " || line == "--" || line == "—" || line == "__" {
			part = part[:i]
		}
	}
	part = trimBlank(part)
	for n := len(part); n > 0 && mobile.MatchString(part[n-1]) && len(strings.Fields(part[n-1])) <= 9; n = len(part) {
		part = trimBlank(part[:n-1])
	}
	return part
}
