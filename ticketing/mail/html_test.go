package mail

import (
	"strings"
	"testing"
)

func TestHTMLText(t *testing.T) {
	for in, want := range map[string]string{
		`<a href="https://x.example/">https://x.example</a> <a href="https://y.example/z">there</a>`: "https://x.example there <https://y.example/z>",
		`<a href="javascript:x">no link</a>`:                                 "no link",
		`<p>a<p>b<br>c`:                                                      "a\n\nb\nc",
		`a&nbsp;b &amp;lt; c`:                                                "a b &lt; c",
		`<ol><li>x<li>y</ol><ul><li>z</ul>`:                                  "1. x\n2. y\n\n- z",
		"<pre>a  b\n c</pre>":                                                "a  b\n c",
		`<!--[if mso]>no<![endif]-->yes`:                                     "yes",
		`a<span style="DISPLAY: none !important">no</span>b`:                 "ab",
		`<div style="max-height:0px"><p>no<p>no</div>yes`:                    "yes",
		`<blockquote>q<blockquote>r</blockquote></blockquote>s`:              "> q\n>\n>> r\n\ns",
		`<img src=x alt="A logo" width=200><img src=y alt=t width=1>`:        "[A logo]",
		strings.Repeat("<div>", 3000) + "deep" + strings.Repeat("</div>", 9): "deep",
		// The preview text of newsletters, in its many disguises.
		`<style>.pre, p.x > b{display:none} @media print { .shown { display: none } } #i { display : none !important }</style>` +
			`<p class="a pre">no</p><p class=shown>yes</p><p id=i>no</p>`: "yes",
		`<style>.pre{display:none}.pre{display:block}</style><p class=pre>yes`:                                              "yes",
		`<div style="font-size:1px;line-height:1px;color:#fff">no</div>yes`:                                                 "yes",
		`<td style="font-size:0px">no<div style="font-size:13px">yes</div><img src=x alt=logo width=90>no</td>`:             "yes\n[logo]",
		`<span style="color:#FFF;background-color:white">no</span><span style="color:#fff">yes</span>`:                      "yes",
		`<span style="color:transparent">no</span><span style="opacity:0.9">yes</span><i style="opacity:0.0">no</i>`:        "yes",
		`<div style="height:0;overflow:hidden">no</div><div style="height:0">yes</div>`:                                     "yes",
		`<div style="position:absolute;left:-9999px">no</div><p style="text-indent:-5000px">no</p><p style="left:-1px">yes`: "yes",
		`<div style="mso-hide:all">no</div><a style="mso-hide: all" href="https://x.example/a">yes</a>`:                     "yes <https://x.example/a>",
		`<span style="visibility:hidden">no</span><p hidden>no</p><p style="max-width:0;max-height:0">no</p>yes`:            "yes",
		`a<img src="https://t.example/p" alt="no" style="width:1px;height:1px">b`:                                           "ab",
		"yes&zwnj;&nbsp;&#847;&#8203;yes": "yes yes",
		// A table with lines between its cells, and one that is there for the layout.
		`<table border=1><tr><th><p>Item</p><th>Price<tr><td><p>A <b>big</b><br>pen</p></td><td>2 €</table>`: "Item | Price\nA big pen | 2 €",
		`<table><tr><td style="border:1px solid #ccc">a<td>b</tr></table>`:                                   "a | b",
		`<table border=0><tr><td><p>a</p><p>b</p></td><td>c</table>`:                                         "a\n\nb\n\nc",
	} {
		if got := htmlText(in); got != want {
			t.Errorf("%.80s: %q, want %q", in, got, want)
		}
	}
}

func TestSafeHTML(t *testing.T) {
	const png = "\x89PNG\r\n\x1a\n.."
	m := &Message{Attachments: []Attachment{{Name: "a.svg", ContentID: "svg@x", Content: []byte("<svg>")}, {ContentID: "pic@x", Content: []byte(png)},
		{Location: "https://x.example/loc.png", Content: []byte(png)}}}
	m.HTML = `<img src="https://t.example/p"><img src="//t.example/p" width=1><img src="data:image/svg+xml;base64,PHN2Zz4="><img src="CID:pic%40x" alt="src=&quot;cid:image-0&quot;">` +
		`<img src="https://x.example/loc.png"><img src="cid:image-0"><img src="cid:svg@x"><img srcset="https://t.example/s 2x">` +
		`<p style="background:url(https://t.example/);position:fixed;color:red" onclick="x()">t</p><style>@import "https://t.example"</style>` +
		`<svg><image href="https://t.example/"/></svg><form action="https://t.example"><input></form><link href="https://t.example"><meta http-equiv=refresh>` +
		`<a href="javascript:x()">a</a><a href="/relative">b</a><iframe src="https://t.example"></iframe><table background="https://t.example"><tr><td>c</td></tr></table>` +
		`<p style="` + strings.Repeat("color:blue;", 500) + `">long</p> src="cid:image-0"`
	s := SafeHTML(m, "/parts/")
	for _, bad := range []string{"t.example", "data:", "javascript", "onclick", "position", "url(", "<form", "<svg", "<meta", "/relative", "cid:image-9"} {
		if strings.Contains(s.HTML, bad) {
			t.Errorf("%s is left in %s", bad, s.HTML)
		}
	}
	for _, good := range []string{`<img src="/parts/1" alt="src=&#34;cid:image-0&#34;"`, `<img src="/parts/2"`, "color: red", "<td>c</td>", "color: blue", " src=&#34;cid:image-0&#34;"} {
		if !strings.Contains(s.HTML, good) {
			t.Errorf("%s is not left in %s", good, s.HTML)
		}
	}
	if s.Blocked != 11 || len(s.Parts) != 3 {
		t.Errorf("%d blocked, parts %v", s.Blocked, s.Parts)
	}
	s = SafeHTML(m, "")
	if strings.Count(s.HTML, `src="data:image/png;base64,iVBORw0KGgouLg=="`) != 2 || strings.Contains(s.HTML, "svg") {
		t.Errorf("%s", s.HTML)
	}
	if s := SafeHTML(&Message{Text: "a <b>"}, ""); !strings.Contains(s.HTML, "a &lt;b&gt;</pre>") {
		t.Errorf("%s", s.HTML)
	}
}

// TestSafeHTMLHides: a preview text that a style sheet hid stays hidden without the sheet.
func TestSafeHTMLHides(t *testing.T) {
	s := SafeHTML(&Message{HTML: `<style>.pre{display:none}</style><p class=pre>no</p><p>yes`}, "")
	if !strings.Contains(s.HTML, `<p style="display: none">no</p>`) {
		t.Errorf("%s", s.HTML)
	}
}
