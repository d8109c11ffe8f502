package mail

import (
	"bytes"
	"fmt"
	"html"
	"net/url"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	render "github.com/yuin/goldmark/renderer/html"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

// Above these, rendering takes longer than a mail is worth (nested brackets are
// quadratic), and what is so long is a log, no prose.
const (
	markdownMax = 64 << 10
	bracketsMax = 1000
)

// markdownHTML renders Markdown as people type it into a mail. It differs from CommonMark
// in that nothing typed vanishes from what the reader sees: HTML is text, "use <your name>"
// and "[1]: see below" stay; a line end is one; and "--" below a line makes no heading of it.
//
// ids gives the images that the mail carries: what "cid:" names, and its Content-ID. shown
// says which of them stand in the text.
func markdownHTML(body string, ids map[string]string) (page string, shown map[string]bool, err error) {
	shown = map[string]bool{}
	if isLog(body) {
		return "<p>" + strings.ReplaceAll(html.EscapeString(body), "\n", "<br>\n") + "</p>\n", shown, nil
	}
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
			parser.WithASTTransformers(util.Prioritized(safeLinks{ids, shown}, 100)),
		)),
		goldmark.WithExtensions(extension.Strikethrough, extension.Linkify),
		goldmark.WithRendererOptions(render.WithHardWraps()),
	)
	var b bytes.Buffer
	if err := md.Convert([]byte(endQuotes(body)), &b); err != nil {
		return "", nil, fmt.Errorf("body: %w", err)
	}
	return b.String(), shown, nil
}

// isLog says that a text is too long or too deep to be rendered.
func isLog(body string) bool {
	if len(body) > markdownMax || strings.Count(body, "[") > bracketsMax {
		return true
	}
	for line := range strings.SplitSeq(body, "\n") {
		if depth, _ := quoteDepth(line); depth > deepest {
			return true
		}
	}
	return false
}

// endQuotes ends each quote with its last marked line. In CommonMark the line below goes
// on with it, and a person's answer would stand in the mouth of the one who is quoted.
func endQuotes(body string) string {
	var out strings.Builder
	quoted, fence := false, false
	for line := range strings.SplitAfterSeq(body, "\n") {
		start := strings.TrimLeft(line, " ")
		if strings.HasPrefix(start, "```") || strings.HasPrefix(start, "~~~") {
			fence = !fence
		}
		is := !fence && strings.HasPrefix(start, ">")
		if quoted && !is {
			out.WriteByte('\n')
		}
		out.WriteString(line)
		quoted = is
	}
	return out.String()
}

// safeLinks leaves links to what a mail may link to. Others become the text that was
// typed, and an image from elsewhere a link: mail of ours makes nobody's reader fetch.
type safeLinks struct {
	ids   map[string]string
	shown map[string]bool
}

// Transform is called by goldmark.
func (l safeLinks) Transform(doc *ast.Document, reader text.Reader, _ parser.Context) {
	var found []ast.Node
	// The walk cannot fail: its function does not.
	_ = ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if k := n.Kind(); entering && (k == ast.KindLink || k == ast.KindImage || k == ast.KindAutoLink) {
			found = append(found, n)
		}
		return ast.WalkContinue, nil
	})
	for _, n := range found {
		switch n := n.(type) {
		case *ast.AutoLink: // "<name:value>" is one as well
			if n.AutoLinkType == ast.AutoLinkURL && !safeURL(n.URL(reader.Source())) {
				n.Parent().ReplaceChild(n.Parent(), n, plainNode("<"+string(n.Label(reader.Source()))+">"))
			}
		case *ast.Link:
			if !safeURL(n.Destination) {
				asTyped(n, "[", n.Destination, n.Title)
			}
		case *ast.Image:
			name, cid := bytes.CutPrefix(n.Destination, []byte("cid:"))
			id, carried := l.ids[string(name)]
			switch {
			case cid && carried:
				n.Destination, l.shown[string(name)] = []byte("cid:"+url.PathEscape(id)), true
			case safeURL(n.Destination):
				link := ast.NewLink()
				link.Destination, link.Title = n.Destination, n.Title
				moveChildren(link, n)
				n.Parent().ReplaceChild(n.Parent(), n, link)
			default:
				asTyped(n, "![", n.Destination, n.Title)
			}
		}
	}
}

func safeURL(destination []byte) bool {
	u, err := url.Parse(string(destination))
	if err != nil {
		return false
	}
	switch u.Scheme {
	case "http", "https", "ftp":
		return u.Host != ""
	case "mailto", "tel":
		return u.Opaque != ""
	}
	return false
}

// asTyped puts the text of a link in its place.
func asTyped(n ast.Node, open string, destination, title []byte) {
	end := "](" + string(destination)
	if len(title) > 0 {
		end += ` "` + string(title) + `"`
	}
	parent := n.Parent()
	parent.InsertBefore(parent, n, plainNode(open))
	for c := n.FirstChild(); c != nil; c = n.FirstChild() {
		parent.InsertBefore(parent, n, c)
	}
	parent.ReplaceChild(parent, n, plainNode(end+")"))
}

func plainNode(s string) ast.Node {
	n := ast.NewString([]byte(s))
	n.SetRaw(true) // escaped, but not read as Markdown again
	return n
}

func moveChildren(to, from ast.Node) {
	for c := from.FirstChild(); c != nil; c = from.FirstChild() {
		to.AppendChild(to, c)
	}
}

// htmlText is the text/html body, in the order of plainText, and which images it shows.
func (d Draft) htmlText() (page string, shown map[string]bool, err error) {
	body, shown, err := markdownHTML(strings.Join(splitLines(d.Body), "\n"), d.contentIDs())
	if err != nil {
		return "", nil, err
	}
	var b strings.Builder
	b.WriteString("<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"></head><body>\n" + body)
	if len(splitLines(d.Quote)) > 0 {
		if head := cleanText(d.QuoteHead); head != "" {
			b.WriteString("<p>" + html.EscapeString(head) + "</p>\n")
		}
		writeQuoteHTML(&b, d.Quote)
	}
	if signature := splitLines(d.Signature); len(signature) > 0 {
		b.WriteString("<p>-- <br>\n")
		for _, line := range signature {
			b.WriteString(html.EscapeString(line) + "<br>\n")
		}
		b.WriteString("</p>\n")
	}
	b.WriteString("</body></html>")
	return b.String(), shown, nil
}

// writeQuoteHTML gives each level of quotes its blockquote; type="cite" is how clients
// tell a quote from an indented paragraph.
func writeQuoteHTML(b *strings.Builder, quote string) {
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
