package mail

import "testing"

func TestClassify(t *testing.T) {
	for name, c := range map[string]struct {
		header              string
		automatic, suppress bool
	}{
		"a person":                       {"Subject: Hello\r\n", false, false},
		"Auto-Submitted":                 {"Auto-Submitted: auto-replied (vacation)\r\n", true, true},
		"Auto-Submitted: no":             {"Auto-Submitted: no\r\n", false, false},
		"an older autoresponder":         {"X-Autorespond: gone\r\n", true, true},
		"Precedence of an autoresponder": {"Precedence: auto_reply\r\n", true, true},
		"a list":                         {"Subject: Hello\r\nList-Id: <x.example>\r\nPrecedence: list\r\n", false, true},
		"Exchange asks for silence":      {"X-Auto-Response-Suppress: DR, OOF\r\n", false, true},
		"only delivery receipts":         {"X-Auto-Response-Suppress: DR\r\n", false, false},
		"a subject alone is weak":        {"Subject: Out of office next week - who covers?\r\n", false, false},
		"a subject and a second sign":    {"Subject: Abwesenheitsnotiz: Hallo\r\nPrecedence: bulk\r\n", true, true},
		"a read receipt":                 {"Content-Type: multipart/report; report-type=disposition-notification; boundary=b\r\n", true, true},
	} {
		a := Parse([]byte("From: jo@customer.example\r\n" + c.header + "\r\nbody\r\n")).Automatic
		if a.Automatic != c.automatic || a.Suppress != c.suppress || a.Suppress != (a.Why != "") {
			t.Errorf("%s: %+v", name, a)
		}
	}
}
