package mail

import (
	"fmt"
	"strings"
	"testing"
)

// plainMail is a customer's answer, about 2 KB: MIME, a quote and a signature.
func plainMail() []byte {
	return []byte("Return-Path: <jo@customer.example>\r\nReceived: from mx.customer.example (mx.customer.example [192.0.2.1])\r\n\tby mx.desk.example (Postfix) with ESMTPS id 4XYZ\r\n\tfor <support-7102@desk.example>; Mon,  2 Mar 2026 10:11:13 +0100 (CET)\r\n" +
		"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=customer.example; s=k1;\r\n\th=from:to:subject:date:message-id; bh=" + strings.Repeat("A", 43) + "=;\r\n\tb=" + strings.Repeat("B", 340) + "\r\n" +
		"From: =?utf-8?q?J=C3=B6rg_M=C3=BCller?= <jo@customer.example>\r\nTo: Support <SUPPORT-7102@desk.example>\r\nSubject: Re: =?utf-8?B?RHJ1Y2tlciBkcnVja3QgbmljaHQ=?=\r\n" +
		"Date: Mon, 2 Mar 2026 10:11:12 +0100\r\nMessage-ID: <1@customer.example>\r\nIn-Reply-To: <a@desk.example>\r\nReferences: <b@desk.example>\r\n <a@desk.example>\r\n" +
		"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" +
		strings.Repeat("Es geht immer noch nicht, das Ger=C3=A4t zeigt eine Null.\r\n", 6) + "\r\nOn Mon, 2 Mar 2026 at 09:00, Support <support@desk.example> wrote:\r\n" +
		strings.Repeat("> Bitte schalten Sie das Ger=C3=A4t aus und wieder ein.\r\n", 6) + "\r\n-- \r\nJ=C3=B6rg\r\n")
}

// richMail is a newsletter or an answer from Outlook, about 20 KB of HTML.
func richMail() []byte {
	var b strings.Builder
	b.WriteString("From: Jo <jo@customer.example>\r\nTo: new@desk.example\r\nSubject: order\r\nMessage-ID: <2@customer.example>\r\nContent-Type: text/html; charset=utf-8\r\n\r\n" +
		"<html><head><style>.pre{display:none}.a{color:#333}</style></head><body><div class=pre>preview</div><table border=1>\r\n")
	for i := 0; b.Len() < 20<<10; i++ {
		fmt.Fprintf(&b, "<tr><td style=\"padding:4px;font-family:Arial,sans-serif;font-size:14px\"><p class=MsoNormal>Item %d &amp; more&nbsp;</p></td>"+
			"<td align=right><a href=\"https://shop.example/item/%d?x=1&amp;y=2\">details</a></td></tr>\r\n", i, i)
	}
	b.WriteString("</table><blockquote>before</blockquote></body></html>\r\n")
	return []byte(b.String())
}

// BenchmarkMail is all that is done with a mail: text, what is new in it, reports and
// classification.
func BenchmarkMail(b *testing.B) {
	for name, raw := range map[string][]byte{"2KB": plainMail(), "20KB-HTML": richMail()} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			for b.Loop() {
				if m := Parse(raw); m.NewText == "" || len(m.Problems) > 0 {
					b.Fatal(m.Problems)
				}
			}
		})
	}
}

func BenchmarkHTMLText(b *testing.B) {
	page := Parse(richMail()).HTML
	b.ReportAllocs()
	for b.Loop() {
		htmlText(page)
	}
}

func BenchmarkSafeHTML(b *testing.B) {
	m := Parse(richMail())
	b.ReportAllocs()
	for b.Loop() {
		SafeHTML(m, "/parts/")
	}
}
