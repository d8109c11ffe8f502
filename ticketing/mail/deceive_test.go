package mail

import (
	"strings"
	"testing"
)

func TestDeceptions(t *testing.T) {
	for fields, want := range map[string]string{
		"From: Jo <jo@a.example>\nSubject: Grüße 👩\u200D👩\u200D👧 می\u200Cخواهم \u200Fשלום": "",
		"From: jo@a.example <jo@A.example>\nSubject: x":                                    "",
		"From: \"Jo (Sales)\" <jo@bücher.example>\nSubject: x":                             "",
		"From: jo@пример.example\nSubject: x":                                              "",
		"From: jo@日本語とkana.example\nSubject: x":                                            "",
		"From: \"boss@desk.example\" <jo@a.example>\nSubject: x":                           "shows the address boss@desk.example",
		"From: \"Boss boss@desk.example \" <jo@a.example>\nSubject: x":                     "shows the address boss@desk.example",
		"From: jo@a.example\nReply-To: \"jo@a.example\" <x@b.example>":                     "shows the address jo@a.example",
		"From: jo@a.example\nSubject: invoice\u202Efdp.exe":                                "the subject has characters that turn",
		"From: jo@a.example\nSubject: \u2066x\u2069":                                       "the subject has characters that turn",
		"From: jo@a.example\nSubject: pay\u200Bpal":                                        "the subject has characters that cannot be seen",
		"From: jo@a.example\nSubject: pay\u200Dpal":                                        "the subject has characters that cannot be seen",
		"From: Jo\u200B <jo@a.example>":                                                    "the name of jo@a.example has characters that cannot be seen",
		"From: =?utf-8?q?Jo=E2=80=AE?= <jo@a.example>":                                     "the name of jo@a.example has characters that turn",
		"From: jo@exаmple.example":                                                         "mixes letters",
		"From: jo@xn--exmple-4nf.example":                                                  "mixes letters",
	} {
		m := Parse([]byte(fields + "\nDate: Tue, 03 Mar 2026 10:00:00 +0000\n\nx\n"))
		got := strings.Join(m.Problems, "; ")
		if want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%q:\n%q\nwant %q", fields, got, want)
		}
	}
}

// What is taken out of the name of a file is said too.
func TestDeceivingFileName(t *testing.T) {
	m := Parse([]byte("From: jo@a.example\nDate: Tue, 03 Mar 2026 10:00:00 +0000\nContent-Type: application/x-thing\n" +
		"Content-Disposition: attachment; filename*=utf-8''invoice%E2%80%AEfdp.exe\n\nx\n"))
	if len(m.Attachments) != 1 || m.Attachments[0].Name != "invoicefdp.exe" || !strings.Contains(strings.Join(m.Problems, "; "), "turn the direction") {
		t.Errorf("%+v %q", m.Attachments, m.Problems)
	}
}

func TestLookAlike(t *testing.T) {
	known := []string{"desk.example", "customer-service.example", "modern.example"}
	for address, want := range map[string]string{
		"x@desk.example": "", "x@mail.desk.example": "", "x@other.example": "", "x@task.example": "", "": "", "x": "",
		"x@desk.example.evil.test":    "",
		"x@dеsk.example":              "desk.example", // Cyrillic
		"x@xn--dsk-rdd.example":       "desk.example",
		"x@mail.dësk.example":         "desk.example",
		"x@de5k.example":              "desk.example",
		"x@customerservice.example":   "customer-service.example",
		"x@custorner-service.example": "customer-service.example",
		"x@modem.example":             "modern.example",
	} {
		if got := LookAlike(address, known); got != want {
			t.Errorf("%q: %q, want %q", address, got, want)
		}
	}
}
