package mail

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// flowAt is the width of flowed text. RFC 3676 section 4.2 asks for less than 79; at 72
// a line and its encoded trailing space fit into quoted-printable.
const flowAt = 72

// deepest is the deepest quote that is written. No reader shows more, and each mark
// costs on every line.
const deepest = 20

// plainText is the text/plain body, flowed (RFC 3676). The signature comes last, since
// its mark holds to the end of the part (section 4.3).
func (d Draft) plainText() string {
	var b strings.Builder
	for _, line := range splitLines(d.Body) {
		depth, text := quoteDepth(line)
		writeFlowed(&b, depth, text)
	}
	if quote := splitLines(d.Quote); len(quote) > 0 {
		b.WriteString("\n")
		if head := cleanText(d.QuoteHead); head != "" {
			writeFlowed(&b, 0, head)
		}
		for _, line := range quote {
			depth, text := quoteDepth(line)
			writeFlowed(&b, depth+1, text)
		}
	}
	if signature := splitLines(d.Signature); len(signature) > 0 {
		b.WriteString("\n-- \n")
		for _, line := range signature {
			writeFlowed(&b, 0, line)
		}
	}
	return b.String()
}

// splitLines cleans a text and gives its lines, without empty ones at its end.
func splitLines(s string) []string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	s = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(s)
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return -1
		}
		return r
	}, s)
	s = strings.TrimRight(s, "\n ")
	if s == "" {
		return nil
	}
	return strings.Split(s, "\n")
}

// quoteDepth takes the quote marks from a line: "> > text" and ">> text" are both depth 2.
func quoteDepth(line string) (int, string) {
	depth := 0
	for strings.HasPrefix(line, ">") {
		depth++
		line = strings.TrimPrefix(line[1:], " ")
	}
	return depth, line
}

// writeFlowed writes one line as one or more: each but the last ends in a space. Spaces at
// the end of what was typed go, as they would join it to the next line (RFC 3676 section 4.2).
func writeFlowed(b *strings.Builder, depth int, line string) {
	depth = min(depth, deepest)
	prefix := strings.Repeat(">", depth)
	line = strings.TrimRight(line, " ")
	for {
		n := flowBreak(line, flowAt-depth)
		piece := line[:n]
		b.WriteString(prefix)
		// Space-stuffing, section 4.4. In quotes always, as everyone writes "> text".
		if depth > 0 && piece != "" || strings.HasPrefix(piece, " ") || strings.HasPrefix(piece, ">") || strings.HasPrefix(piece, "From ") {
			b.WriteByte(' ')
		}
		b.WriteString(piece + "\n")
		if line = line[n:]; line == "" {
			return
		}
	}
}

// flowBreak is the index behind the last run of spaces at which the line may be broken
// to be no longer than width, or its length.
func flowBreak(line string, width int) int {
	if utf8.RuneCountInString(line) <= width {
		return len(line)
	}
	best, column := 0, 0
	for i, r := range line {
		// A break behind spaces only would be an empty line, and one behind "--" the
		// mark of a signature.
		if i > 0 && line[i-1] == ' ' && r != ' ' {
			if head := strings.Trim(line[:i], " "); head != "" && head != "--" {
				if column > width && best > 0 {
					return best
				}
				best = i
			}
		}
		column++
	}
	if best == 0 || column <= width {
		return len(line)
	}
	return best
}
