package mail

import (
	"strings"

	"golang.org/x/net/html"
)

// htmlMark is what the elements of a program say of a line of their text.
type htmlMark uint8

const (
	markNone      htmlMark = iota
	markQuote              // the history, or what introduces it
	markBelow              // from here on all is history
	markMaybe              // as markBelow, when the header of a message stands here
	markSignature          // a signature, where nothing else follows
)

// htmlNote is a mark and the lines that it is for.
type htmlNote struct {
	mark     htmlMark
	from, to int // from is -1 until something is written
}

// notesMax bounds what is noted of one page.
const notesMax = 200

// quoteClasses, belowIDs and the like are what mail programs call the parts of their own
// making. What came from another program is often renamed by them ("x_…", "yiv…"): it is
// quoted by that alone, and not listed.
var (
	quoteClasses = words(`gmail_quote|gmail_quote_container|gmail_attr|yahoo_quoted|protonmail_quote|tutanota_quote|zmail_extra|moz-cite-prefix|moz-forward-container|moz-email-headers-table|nylas-quote|` +
		`airmail_ext_on|bloop_original_html|front-blockquote|tmail-quote|hey_quote|spark_quote|missive_quote|mb_quote|skiff_quote|ms-outlook-mobile-reference-message`)
	quoteIDs     = words(`mail-editor-reference-message-container|isforwardcontent|isreplycontent|reply-intro|forwardbody1|replybody1|htc_header|applemailquote|originalmessage`)
	belowClasses = words(`outlookmessageheader|zwchr`)
	belowIDs     = words(`divrplyfwdmsg|olk_src_body_section|stopspelling|zwchr|appendonsend`)
	signClasses  = words(`gmail_signature|moz-signature|protonmail_signature_block|tutanota_signature|ms-outlook-mobile-signature|zmail_signature`)
	signIDs      = words(`signature|applemailsignature|linebreakatbeginningofsignature|ms-outlook-mobile-signature|ymail_android_signature|ymail_ios_signature`)
	quoteNames   = words(`quote|messagereplysection`)
)

// markOf is what an element says of its text.
func markOf(t html.Token) htmlMark {
	for _, a := range t.Attr {
		mark := markNone
		switch a.Key {
		case "id":
			mark = markOfID(strings.ToLower(a.Val))
		case "class":
			mark = markOfClass(a.Val)
		case "name":
			if quoteNames()[strings.ToLower(a.Val)] && (t.Data == "div" || t.Data == "blockquote") {
				mark = markQuote
			}
		case "data-marker":
			if a.Val == "__QUOTED_TEXT__" || a.Val == "__HEADERS__" || a.Val == "__DIVIDER__" {
				mark = markBelow
			}
		case "data-signatureblock":
			mark = markSignature
		case "style":
			if t.Data == "div" && isHeaderBorder(a.Val) {
				mark = markMaybe
			}
		}
		if mark != markNone {
			return mark
		}
	}
	return markNone
}

func markOfID(id string) htmlMark {
	switch {
	case id == "":
	case belowIDs()[id]:
		return markBelow
	case quoteIDs()[id] || strings.HasPrefix(id, "yahoo_quoted") || strings.HasPrefix(id, "aolmsgpart"):
		return markQuote
	case signIDs()[id]:
		return markSignature
	}
	return markNone
}

func markOfClass(all string) htmlMark {
	if len(all) > 200 {
		return markNone
	}
	for class := range strings.FieldsSeq(strings.ToLower(all)) {
		switch {
		case belowClasses()[class]:
			return markBelow
		case quoteClasses()[class]:
			return markQuote
		case signClasses()[class]:
			return markSignature
		}
	}
	return markNone
}

// isHeaderBorder is for the line that Outlook and Windows Mail draw above a header. A
// person's own border looks alike, so that the fields are looked for, too.
func isHeaderBorder(style string) bool {
	if !strings.Contains(style, "border-top") || len(style) > 400 {
		return false
	}
	style = strings.ReplaceAll(strings.ToLower(style), " ", "")
	return strings.Contains(style, "border-top:solid") || strings.Contains(style, "border-top-style:solid") || strings.Contains(style, "border-top:1px") ||
		strings.Contains(style, "border-top:1pt")
}

// isIndent is for a blockquote that only moves text to the right: the button of webmail
// programs, and the lists of old ones. It quotes nobody.
func isIndent(t html.Token) bool {
	if t.Data != "blockquote" || attr(t, "type") != "" || attr(t, "cite") != "" || attr(t, "class") != "" {
		return false
	}
	style := strings.ReplaceAll(strings.ToLower(attr(t, "style")), " ", "")
	return strings.Contains(style, "border:none") && strings.Contains(style, "margin")
}

// note keeps the mark of an element that opens; it gives the number of the note, from 1.
func (w *textWriter) note(t html.Token) int {
	if len(t.Attr) == 0 || len(w.notes) >= notesMax {
		return 0
	}
	mark := markOf(t)
	if mark == markNone {
		return 0
	}
	if w.inLine && w.cells == 0 {
		w.breaks = max(w.breaks, 1)
	}
	w.notes = append(w.notes, htmlNote{mark: mark, from: -1})
	return len(w.notes)
}

// written tells the notes that wait for it which line they begin at.
func (w *textWriter) written() {
	for ; w.noted < len(w.notes); w.noted++ {
		if n := &w.notes[w.noted]; n.from < 0 {
			n.from = w.line
		}
	}
}

// endNote closes a note when its element ends.
func (w *textWriter) endNote(n int) {
	if n == 0 {
		return
	}
	note := &w.notes[n-1]
	note.to = w.line
	if note.from < 0 {
		if note.mark != markBelow {
			*note = htmlNote{} // nothing was written in it
		}
		return
	}
	if w.cells == 0 {
		w.breaks = max(w.breaks, 1)
	}
}

// extractMarked is for the text of HTML, of which the notes say what its elements are.
func extractMarked(m *Message, text string) string {
	e := extraction{lines: textLines(text), answer: isAnswer(m)}
	for _, n := range m.htmlMarks {
		e.mark(n)
	}
	return e.run()
}

func (e *extraction) mark(n htmlNote) {
	to := min(n.to, len(e.lines)-1)
	if n.from < 0 || n.from > to && n.mark != markBelow || n.from >= len(e.lines) {
		return
	}
	switch n.mark {
	case markBelow:
		e.lines[n.from].html = markBelow
	case markMaybe:
		if hasFields(e.lines[n.from:]) {
			e.lines[n.from].html = markBelow
		}
	case markSignature:
		for i := n.from; i <= to && to-n.from < looseSignature; i++ {
			if e.lines[i].html == markNone {
				e.lines[i].html = markSignature
			}
		}
	case markQuote:
		// Answers stand between the quotes in it; without any, all of it is one.
		end := n.from
		for end <= to && !e.lines[end].quoted {
			end++
		}
		for i := n.from; i < end; i++ {
			if e.lines[i].html != markBelow {
				e.lines[i].html = markQuote
			}
		}
	}
}

// hasFields says that the header of a message stands here, whatever its tongue.
func hasFields(lines []textLine) bool {
	fields := 0
	for _, l := range lines[:min(len(lines), 5)] {
		i := strings.Index(l.text, ":")
		if wide := strings.Index(l.text, "："); i < 0 || wide >= 0 && wide < i {
			i = wide
		}
		if i > 0 && i < 40 {
			fields++
		}
	}
	return fields >= 3
}
