package integration

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"postdesk/integration/lab"
	"postdesk/ticketing/mail"
)

// script is a way to write, with words for each place of a mail.
type script struct{ name, person, subject, words, file string }

func scripts() []script {
	return []script{
		{"Latin", "Jürgen Żółć-Ångström", "Šťastný pŕíklad: ça va, señor?", "Grüße, naïve façade, łódź, Ærøskøbing.", "Übersicht für März – Teil 1.pdf"},
		{"Greek", "Γιώργος Παπαδόπουλος", "Δεν μπορώ να συνδεθώ!", "Παρακαλώ δοκιμάστε ξανά, ευχαριστώ.", "Οδηγίες χρήσης.pdf"},
		{"Cyrillic", "Їжак Щербаков", "Не могу войти в систему: помогите, пожалуйста, как можно скорее", "Съешь ещё этих мягких французских булок.", "Руководство пользователя.pdf"},
		{"Arabic", "محمد عبد الله", "لا أستطيع تسجيل الدخول", "يرجى المحاولة مرة أخرى، شكرا.", "دليل المستخدم.pdf"},
		{"Hebrew", "משה כהן", "אני לא מצליח להתחבר", "נא לנסות שוב, תודה רבה.", "מדריך למשתמש.pdf"},
		{"Devanagari", "अमित कुमार", "मैं लॉगिन नहीं कर पा रहा हूँ", "कृपया पुनः प्रयास करें, धन्यवाद।", "उपयोगकर्ता पुस्तिका.pdf"},
		{"Thai", "สมชาย ใจดี", "เข้าสู่ระบบไม่ได้", "กรุณาลองอีกครั้งในภายหลังขอบคุณมากสำหรับความอดทนของท่านครับ", "คู่มือผู้ใช้.pdf"},
		{"Chinese simplified", "王小明", "我无法登录系统", "请稍后再试，谢谢您的耐心等待。", "用户手册第一章.pdf"},
		{"Chinese traditional", "陳大文", "我無法登入系統", "請稍後再試，謝謝您的耐心等待。", "使用者手冊.pdf"},
		{"Japanese", "山田 太郎", "ログインできません。パスワードを忘れてしまったので再発行をお願いします", "もう一度お試しください。ありがとうございます。", "取扱説明書・第二版.pdf"},
		{"Korean", "김철수", "로그인할 수 없습니다", "다시 시도해 주십시오. 감사합니다.", "사용자 설명서.pdf"},
		{"Armenian", "Արամ Հակոբյան", "Չեմ կարողանում մուտք գործել", "Խնդրում ենք կրկին փորձել, շնորհակալություն։", "Ուղեցույց.pdf"},
		{"Georgian", "გიორგი ბერიძე", "ვერ შევდივარ სისტემაში", "გთხოვთ სცადოთ ხელახლა, გმადლობთ.", "სახელმძღვანელო.pdf"},
		{"Tamil", "முருகன் வேலு", "என்னால் உள்நுழைய முடியவில்லை", "தயவுசெய்து மீண்டும் முயற்சிக்கவும், நன்றி.", "பயனர் கையேடு.pdf"},
		{"emoji", "Zoë 🦊", "Printer on fire 🔥🖨️", "Done ✅ and 👩‍👩‍👧 is happy 🎉.", "photo 📷 of it.pdf"},
	}
}

// seenFile is an attachment as a reader shows it.
type seenFile struct {
	Name    string `json:"name"`
	Content string `json:"content"`
	Inline  bool   `json:"inline"`
}

// seen is a mail as a reader shows it.
type seen struct {
	Subject string      `json:"subject"`
	From    [2]string   `json:"from"` // name and address
	To      [][2]string `json:"to"`   // with the Cc
	Text    string      `json:"text"`
	HTML    string      `json:"html"`
	Plain   bool        `json:"-"` // this reader shows no HTML
	Files   []seenFile  `json:"files"`
}

// letter is a mail with the words of a script in each place, and what is to be seen of it.
func (s script) letter(i int) (mail.Draft, seen) {
	image := strings.TrimSuffix(s.file, ".pdf") + ".png"
	d := mail.Draft{
		From:    mail.Address{Name: s.person, Address: "SUPPORT-7102@" + lab.Domain},
		ReplyTo: mail.Address{Name: s.person, Address: "SUPPORT-7102+k1@" + lab.Domain},
		To:      mail.Address{Name: s.person, Address: "to@customer.example"},
		Cc:      []mail.Address{{Name: "B. " + s.person, Address: "cc@customer.example"}},
		Subject: mail.ReplySubject(s.subject), Date: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC),
		MessageID: fmt.Sprintf("7102.%d.abc@%s", i, lab.Domain),
		Body:      fmt.Sprintf("%s\n\n![%s](cid:image)\n\n**%s**", strings.Repeat(s.words+" ", 5)+s.words, s.person, s.words),
		QuoteHead: s.person + ":", Quote: s.words, Signature: s.person,
		Attachments: []mail.Attachment{
			{Name: s.file, Type: "application/pdf", Content: []byte("%PDF " + s.words)},
			{Name: image, Type: "image/png", Inline: true, ContentID: "image", Content: []byte("\x89PNG\r\n" + s.words)},
		},
	}
	return d, seen{
		Subject: "RE: " + s.subject, From: [2]string{s.person, d.From.Address},
		To:    [][2]string{{s.person, "to@customer.example"}, {"B. " + s.person, "cc@customer.example"}},
		Text:  d.Body + "\n\n" + s.person + ":\n> " + s.words + "\n\n-- \n" + s.person,
		Files: []seenFile{{s.file, string(d.Attachments[0].Content), false}, {image, string(d.Attachments[1].Content), true}},
	}
}

// check compares what a reader shows.
func (want seen) check(t *testing.T, got seen) {
	t.Helper()
	if got.Plain { // s-nail
		want.Text = strings.ReplaceAll(want.Text, "\u200d", "")
	}
	if got.Subject != want.Subject || got.From != want.From || !slices.Equal(got.To, want.To) {
		t.Errorf("header: %q %q %q\nwant %q %q %q", got.Subject, got.From, got.To, want.Subject, want.From, want.To)
	}
	if text := joined(got.Text); text != want.Text {
		t.Errorf("text:\n%q\nwant\n%q", text, want.Text)
	}
	words := strings.TrimPrefix(want.Files[0].Content, "%PDF ")
	if !got.Plain && (!strings.Contains(got.HTML, "<strong>"+words+"</strong>") || !strings.Contains(got.HTML, `src="cid:image.`)) {
		t.Errorf("HTML: %s", got.HTML)
	}
	byName := func(a, b seenFile) int { return strings.Compare(a.Name, b.Name) }
	slices.SortFunc(got.Files, byName)
	slices.SortFunc(want.Files, byName)
	if !slices.Equal(got.Files, want.Files) {
		t.Errorf("files: %+v\nwant %+v", got.Files, want.Files)
	}
}

// joined undoes format=flowed (RFC 3676 section 4).
func joined(text string) string {
	text = strings.ReplaceAll(text, "\r\n", "\n")
	text = strings.ReplaceAll(text, "\n-- \n", "\n--\x00\n")
	text = strings.ReplaceAll(text, " \n", " ")
	return strings.TrimSpace(strings.ReplaceAll(text, "--\x00", "-- "))
}

// Mail in every script is the same to three readers that share nothing with us and with
// each other: the same names, text and attachments.
func TestReaders(t *testing.T) {
	t.Parallel()
	if err := lab.Need("python3", "s-nail", "/usr/lib/dovecot/imap"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patient*2*time.Minute)
	defer cancel()
	dir := t.TempDir()
	var want []seen
	var files []string
	for i, s := range scripts() {
		d, w := s.letter(i)
		raw, err := mail.Compose(d)
		if err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		file := filepath.Join(dir, fmt.Sprintf("%02d.eml", i))
		if err := os.WriteFile(file, raw, 0o644); err != nil {
			t.Fatal(err)
		}
		want, files = append(want, w), append(files, file)
	}
	for name, read := range map[string]func(context.Context, string, []string) ([]seen, error){
		"python": readPython, "s-nail": readNail, "dovecot": readDovecot,
	} {
		t.Run(name, func(t *testing.T) {
			got, err := read(ctx, t.TempDir(), files)
			if err != nil || len(got) != len(want) {
				t.Fatalf("%d mails read: %v", len(got), err)
			}
			for i, s := range scripts() {
				t.Run(s.name, func(t *testing.T) { want[i].check(t, got[i]) })
			}
		})
	}
}

const pythonReader = `
import sys, json, base64, email, email.policy
for path in sys.argv[1:]:
    with open(path, 'rb') as f:
        m = email.message_from_binary_file(f, policy=email.policy.default)
    parts = list(m.walk())
    for p in parts:
        assert not p.defects, (path, p.defects)
        for name in p.keys():
            assert not p[name].defects, (path, name, p[name].defects)
    people = lambda name: [[a.display_name, a.addr_spec] for a in m[name].addresses]
    files = [{'name': p.get_filename(), 'content': base64.b64encode(p.get_payload(decode=True)).decode(), 'inline': p.get_content_disposition() == 'inline'}
             for p in parts if p.get_filename()]
    print(json.dumps({'subject': m['subject'], 'from': people('from')[0], 'to': people('to') + people('cc'),
        'text': m.get_body(('plain',)).get_content(), 'html': m.get_body(('html',)).get_content(), 'files': files}))
`

func readPython(ctx context.Context, _ string, files []string) (all []seen, err error) {
	cmd := exec.CommandContext(ctx, "python3", append([]string{"-c", pythonReader}, files...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(out)) {
		var m seen
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			return nil, err
		}
		for i, f := range m.Files {
			content, err := base64.StdEncoding.DecodeString(f.Content)
			if err != nil {
				return nil, err
			}
			m.Files[i].Content = string(content)
		}
		all = append(all, m)
	}
	return all, nil
}
