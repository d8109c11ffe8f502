package mail

import (
	"bytes"
	"fmt"
	"html"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	render "github.com/yuin/goldmark/renderer/html"
	"github.com/yuin/goldmark/util"
)

// markdownHTML renders Markdown as people type it into a mail. It differs from CommonMark:
// HTML is text, for "use <your name>" must not vanish from what the reader sees; a line
// end is one; and "--" below a line makes neither a heading nor, as with the extension
// for tables, a table of that line.
func markdownHTML(text string) (string, error) {
	md := goldmark.New(
		goldmark.WithParser(parser.NewParser(
			parser.WithBlockParsers(
				util.Prioritized(parser.NewThematicBreakParser(), 200),
				util.Prioritized(parser.NewListParser(), 300),
				util.Prioritized(parser.NewListItemParser(), 400),
				util.Prioritized(parser.NewCodeBlockParser(), 500),
				util.Prioritized(parser.NewATXHeadingParser(), 600),
				util.Prioritized(parser.NewFencedCodeBlockParser(), 700),
				util.Prioritized(parser.NewBlockquoteParser(), 800),
				util.Prioritized(parser.NewParagraphParser(), 1000),
			),
			parser.WithInlineParsers(
				util.Prioritized(parser.NewCodeSpanParser(), 100),
				util.Prioritized(parser.NewLinkParser(), 200),
				util.Prioritized(parser.NewAutoLinkParser(), 300),
				util.Prioritized(parser.NewEmphasisParser(), 500),
			),
			parser.WithParagraphTransformers(parser.DefaultParagraphTransformers()...),
		)),
		goldmark.WithExtensions(extension.Strikethrough, extension.Linkify),
		goldmark.WithRendererOptions(render.WithHardWraps()),
	)
	var b bytes.Buffer
	if err := md.Convert([]byte(text), &b); err != nil {
		return "", fmt.Errorf("body: %w", err)
	}
	return b.String(), nil
}

// htmlText is the text/html body, in the order of plainText.
func (d Draft) htmlText() (string, error) {
	body, err := markdownHTML(strings.Join(splitLines(d.Body), "\n"))
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString("<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"></head><body>\n" + body)
	if strings.TrimSpace(d.Quote) != "" {
		if head := cleanText(d.QuoteHead); head != "" {
			b.WriteString("<p>" + html.EscapeString(head) + "</p>\n")
		}
		writeQuoteHTML(&b, d.Quote)
	}
	if strings.TrimSpace(d.Signature) != "" {
		b.WriteString("<p>-- <br>\n")
		for _, line := range splitLines(d.Signature) {
			b.WriteString(html.EscapeString(line) + "<br>\n")
		}
		b.WriteString("</p>\n")
	}
	b.WriteString("</body></html>")
	return b.String(), nil
}

// writeQuoteHTML gives each level of quotes its blockquote; type="cite" is how clients
// tell a quote from an indented paragraph.
func writeQuoteHTML(b *strings.Builder, quote string) {
	const deepest = 20 // no reader shows more
	open := 0
	for _, line := range splitLines(quote) {
		depth, text := quoteDepth(line)
		depth = min(depth+1, deepest)
		for ; open < depth; open++ {
			b.WriteString("<blockquote type=\"cite\">\n")
		}
		for ; open > depth; open-- {
			b.WriteString("</blockquote>\n")
		}
		b.WriteString(html.EscapeString(text) + "<br>\n")
	}
	b.WriteString(strings.Repeat("</blockquote>\n", open))
}
