package verify

import (
	"reflect"
	"strings"
	"testing"
)

func TestReadAuthResults(t *testing.T) {
	for text, c := range map[string]struct {
		id     string
		passes []string
		broken bool
	}{
		"mx.example; none":                          {id: "mx.example"},
		"mx.example 1; none (nothing done)":         {id: "mx.example"},
		"MX.example; dkim=pass header.d=a.example":  {id: "mx.example", passes: []string{"dkim header.d=a.example"}},
		"\"mx.example\"; spf=PASS":                  {id: "mx.example", passes: []string{"spf"}},
		"mx.example;dkim=pass;spf=fail;":            {id: "mx.example", passes: []string{"dkim"}},
		"mx.example; dkim/1=pass (2048-bit (good))": {id: "mx.example", passes: []string{"dkim"}},
		" (c) mx.example (c) 1 (c) ; (c) dkim (c) / (c) 1 (c) = (c) pass (c) reason (c) = (c) \"fine; really\" (c) header (c) . (c) d (c) = (c) a.example (c)": {
			id: "mx.example", passes: []string{"dkim header.d=a.example"}},
		"mx.example; dkim=pass header.d=a.example header.b=\"ab/c=\"; dmarc=pass (policy=none) header.from=a.example": {
			id: "mx.example", passes: []string{"dkim header.d=a.example", "dmarc header.from=a.example"}},
		"mx.example; auth=pass (plain) smtp.auth=jo@a.example smtp.mailfrom=jo@a.example": {
			id: "mx.example", passes: []string{"auth smtp.auth=jo@a.example smtp.mailfrom=jo@a.example"}},
		// What a sender chooses stands in quotes and comments, and passes for nothing.
		"mx.example; spf=fail smtp.mailfrom=\"x; dmarc=pass header.from=a.example\"@evil.example": {id: "mx.example"},
		"mx.example; spf=fail smtp.mailfrom=\"x\\\"; dmarc=pass\"@evil.example":                   {id: "mx.example"},
		"mx.example; spf=fail (helo=x; dmarc=pass header.from=a.example) smtp.helo=evil":          {id: "mx.example"},
		"mx.example; spf=fail (x \\) ; dmarc=pass header.from=a.example)":                         {id: "mx.example"},
		"mx.example; spf=fail (x (; dmarc=pass) ; dkim=pass) smtp.helo=y":                         {id: "mx.example"},
		"mx.example; dkim=fail reason=\"; dkim=pass header.d=a.example\" header.d=evil.example":   {id: "mx.example"},
		"mx.example; dkim=pass header.d=a.example header.d=evil.example":                          {id: "mx.example", passes: []string{"dkim"}},
		// What is broken says nothing.
		"":                                        {broken: true},
		"; dkim=pass":                             {broken: true},
		"mx.example":                              {id: "mx.example"},
		"mx.example 2; dkim=pass":                 {broken: true},
		"mx.example dkim=pass":                    {broken: true},
		"mx.example; dkim=pass (":                 {broken: true},
		"mx.example; dkim=pass header.d=\"a":      {broken: true},
		"mx.example; dkim":                        {broken: true},
		"mx.example; dkim=":                       {broken: true},
		"mx.example; =pass":                       {broken: true},
		"mx.example; dkim/2=pass":                 {broken: true},
		"mx.example; dkim=pass stray":             {broken: true},
		"mx.example; dkim=pass header.=x":         {broken: true},
		"mx.example; dkim=pass header.d=":         {broken: true},
		"mx.example; dkim=pass\"x\"":              {broken: true},
		"mx.example; none; dkim=pass":             {broken: true},
		"mx.example; dkim=pass; none":             {broken: true},
		"mx.example\x00; dkim=pass":               {broken: true},
		"mx.example; dkim=pass\theader.d\u00a0=a": {broken: true},
	} {
		a, ok := readAuthResults(text)
		if ok == c.broken {
			t.Errorf("%q: ok %t", text, ok)
			continue
		}
		var passes []string
		for _, r := range a.results {
			if r.result == "pass" {
				words := r.method
				for _, name := range []string{"header.d", "header.from", "smtp.auth", "smtp.mailfrom"} {
					if v := r.properties[name]; v != "" {
						words += " " + name + "=" + v
					}
				}
				passes = append(passes, words)
			}
		}
		if ok && (a.id != c.id || !reflect.DeepEqual(passes, c.passes)) {
			t.Errorf("%q:\n%q %q\nwant\n%q %q", text, a.id, passes, c.id, c.passes)
		}
	}
}

// Whatever a sender can put into a quoted string or a comment, the verdict of a field
// that fails stays a failure.
func FuzzAuthResults(f *testing.F) {
	for _, s := range []string{"jo", "x; dmarc=pass header.from=a.example", `\`, `a\`, "(", ")", `"`, "\\\"; dkim=pass", "((()", "; spf=pass"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		readAuthResults(s)
		readAuthResults("mx.example; " + s)
		quoted := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s)
		commented := strings.NewReplacer(`\`, `\\`, "(", `\(`, ")", `\)`).Replace(s)
		for _, field := range []string{
			`mx.example; dmarc=fail header.from="` + quoted + `"`,
			`mx.example; spf=fail smtp.mailfrom="` + quoted + `"@evil.example`,
			`mx.example; dmarc=fail (` + commented + `) header.from=evil.example`,
			`mx.example; dmarc=fail reason="` + quoted + `"`,
		} {
			a, ok := readAuthResults(field)
			if !ok || len(a.results) != 1 || a.results[0].result != "fail" {
				t.Errorf("%q: %v %+v", field, ok, a)
			}
		}
	})
}
