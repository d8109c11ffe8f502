package mail

import (
	"strings"
	"testing"

	"golang.org/x/net/html"
)

func TestMarkdownHTML(t *testing.T) {
	for in, want := range map[string]string{
		"**bold** and `code`":                            "<p><strong>bold</strong> and <code>code</code></p>",
		"line 1\nline 2":                                 "<p>line 1<br>\nline 2</p>",
		"use <your name> & <b>x</b>":                     "<p>use &lt;your name&gt; &amp; &lt;b&gt;x&lt;/b&gt;</p>",
		"<script>alert(1)</script>":                      "<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>",
		"Kind regards\n--\nJane":                         "<p>Kind regards<br>\n--<br>\nJane</p>",
		"[1]: see":                                       "<p>[1]: see</p>",
		"[a](https://x.example/?a=1&b=2)":                `<p><a href="https://x.example/?a=1&amp;b=2">a</a></p>`,
		"[a](mailto:jo@x.example)":                       `<p><a href="mailto:jo@x.example">a</a></p>`,
		"see https://x.example/a.":                       `<p>see <a href="https://x.example/a">https://x.example/a</a>.</p>`,
		"Jane <jo@x.example>":                            `<p>Jane <a href="mailto:jo@x.example">jo@x.example</a></p>`,
		"<https://x.example/>":                           `<p><a href="https://x.example/">https://x.example/</a></p>`,
		"ftp://x.example/a":                              `<p><a href="ftp://x.example/a">ftp://x.example/a</a></p>`,
		"set <name:value>":                               "<p>set &lt;name:value&gt;</p>",
		"<javascript:alert(1)>":                          "<p>&lt;javascript:alert(1)&gt;</p>",
		"[a](javascript:alert(1))":                       "<p>[a](javascript:alert(1))</p>",
		"[a](&#106;avascript:alert(1))":                  "<p>[a](&amp;#106;avascript:alert(1))</p>",
		"[a](JavaScript:alert(1) \"t\")":                 "<p>[a](JavaScript:alert(1) &quot;t&quot;)</p>",
		"[a](data:text/html,x)":                          "<p>[a](data:text/html,x)</p>",
		"[a](//x.example)":                               "<p>[a](//x.example)</p>",
		"array[i](j)":                                    "<p>array[i](j)</p>",
		"[**b**](file:///etc/passwd)":                    "<p>[<strong>b</strong>](file:///etc/passwd)</p>",
		"![a](cid:x@y)":                                  `<p><img src="cid:x@y" alt="a"></p>`,
		"![a](cid:light)":                                `<p><img src="cid:light.1@z" alt="a"></p>`,
		"![a](cid:a%b)":                                  `<p><img src="cid:a%25b.1@z" alt="a"></p>`,
		"![a](cid:nowhere)":                              "<p>![a](cid:nowhere)</p>",
		"[a](cid:light)":                                 "<p>[a](cid:light)</p>",
		"![a](https://x.example/p.png)":                  `<p><a href="https://x.example/p.png">a</a></p>`,
		"![a](data:image/png;base64,AAAA)":               "<p>![a](data:image/png;base64,AAAA)</p>",
		"[![a](https://x.example/p)](https://y.example)": `<p><a href="https://y.example"><a href="https://x.example/p">a</a></a></p>`,
		"[a](https://x.example '\"><script>')":           `<p><a href="https://x.example" title="&quot;&gt;&lt;script&gt;">a</a></p>`,
		"[a](https://x.example/\"onclick=x)":             `<p><a href="https://x.example/%22onclick=x">a</a></p>`,
		"> quote\n> more\nanswer":                        "<blockquote>\n<p>quote<br>\nmore</p>\n</blockquote>\n<p>answer</p>",
		"```\n> a\nb\n```":                               "<pre><code>&gt; a\nb\n</code></pre>",
		"- a\n- b":                                       "<ul>\n<li>a</li>\n<li>b</li>\n</ul>",
		"":                                               "",
	} {
		got, _, err := markdownHTML(in, map[string]string{"x@y": "x@y", "light": "light.1@z", "a%b": "a%b.1@z"})
		if err != nil || strings.TrimSpace(got) != want {
			t.Errorf("markdownHTML(%q) =\n%s, %v; want\n%s", in, got, err, want)
		}
	}
}

func TestLongMarkdownStaysText(t *testing.T) {
	for _, in := range []string{strings.Repeat("**log** <line>\n", 10000), strings.Repeat("![a](", 20000), strings.Repeat("> ", 1000) + "[a](https://x.example)"} {
		got, shown, err := markdownHTML(in, map[string]string{"x@y": "x@y"})
		if err != nil || strings.Contains(got, "<strong>") || strings.Contains(got, "<blockquote>") || strings.Contains(got, "<line>") || len(got) < len(in) || len(shown) > 0 {
			t.Errorf("%v: %.100s", err, got)
		}
	}
}

// No input makes an element or an attribute beyond those of Markdown.
func FuzzMarkdownHTML(f *testing.F) {
	for _, s := range []string{"[a](javascript:x)", "<img src=x onerror=y>", "![a](cid:x\"onerror=\"y)", "[a](https://x 'y\"z')", "```<script>\nx\n```", "~~a~~ # b\n> c", "www.x.example/<b>"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if len(s) > 10000 {
			return
		}
		d := Draft{Body: s, Quote: s, QuoteHead: s, Signature: s, Attachments: []Attachment{{Inline: true, ContentID: "x\"onerror=\"y"}}}
		page, _, err := d.htmlText()
		if err != nil {
			t.Fatal(err)
		}
		for z := html.NewTokenizer(strings.NewReader(page)); z.Next() != html.ErrorToken; {
			checkToken(t, s, z.Token())
		}
	})
}

func checkToken(t *testing.T, in string, tok html.Token) {
	if tok.Type == html.TextToken || tok.Type == html.DoctypeToken {
		return
	}
	allowed := " html head meta body p br a img em strong del code pre blockquote ul ol li hr h1 h2 h3 h4 h5 h6 "
	if tok.Type == html.CommentToken || !strings.Contains(allowed, " "+tok.Data+" ") {
		t.Fatalf("%q makes %s", in, tok)
	}
	for _, a := range tok.Attr {
		v := strings.ToLower(a.Val)
		ok := a.Key == "href" && (strings.HasPrefix(v, "http") || strings.HasPrefix(v, "ftp:") || strings.HasPrefix(v, "mailto:") || strings.HasPrefix(v, "tel:")) ||
			a.Key == "src" && strings.HasPrefix(v, "cid:") ||
			strings.Contains(" title alt start type charset class ", " "+a.Key+" ")
		if !ok {
			t.Fatalf("%q makes %s", in, tok)
		}
	}
}
