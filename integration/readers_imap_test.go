package integration

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
)

// imapConf is a Dovecot that nobody logs in to: its IMAP server speaks on standard input.
const imapConf = `base_dir = DIR/run
state_dir = DIR/run
log_path = DIR/log
ssl = no
mail_location = maildir:DIR/mail
mail_uid = mail
mail_gid = mail
first_valid_uid = 1
stats_writer_socket_path =
`

// imap is a connection to it (RFC 9051).
type imap struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
	tag int
}

func startIMAP(ctx context.Context, dir string, files []string) (*imap, error) {
	u, err := user.Lookup("mail")
	if err != nil {
		return nil, err
	}
	uid, _ := strconv.Atoi(u.Uid)
	conf := filepath.Join(dir, "conf")
	if err := os.WriteFile(conf, []byte(strings.ReplaceAll(imapConf, "DIR", dir)), 0o644); err != nil {
		return nil, err
	}
	for _, folder := range []string{"mail", "mail/cur", "mail/new", "mail/tmp"} {
		if err := errors.Join(os.Mkdir(filepath.Join(dir, folder), 0o755), os.Chown(filepath.Join(dir, folder), uid, -1)); err != nil {
			return nil, err
		}
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err := errors.Join(err, os.WriteFile(filepath.Join(dir, "mail", "cur", filepath.Base(file)), raw, 0o644)); err != nil {
			return nil, err
		}
	}
	// The folders of a test are closed to others, and the server is not root.
	for d := dir; d != "/" && d != os.TempDir(); d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			return nil, err
		}
	}
	if err := os.Chown(dir, uid, -1); err != nil {
		return nil, err
	}
	c := &imap{cmd: exec.CommandContext(ctx, "/usr/lib/dovecot/imap", "-c", conf)}
	c.cmd.Env = []string{"USER=customer", "HOME=" + dir, "PATH=/usr/bin:/bin"}
	c.in, err = c.cmd.StdinPipe()
	out, outErr := c.cmd.StdoutPipe()
	c.out = bufio.NewReader(out)
	if err := errors.Join(err, outErr, c.cmd.Start()); err != nil {
		return nil, err
	}
	if greeting, err := c.line(); err != nil || !strings.HasPrefix(greeting, "* PREAUTH") {
		return nil, fmt.Errorf("greeting %q: %v", greeting, err)
	}
	return c, nil
}

func (c *imap) stop() error { return errors.Join(c.in.Close(), c.cmd.Wait()) }

// line reads a response with its literals in it.
func (c *imap) line() (string, error) {
	var b strings.Builder
	for {
		s, err := c.out.ReadString('\n')
		if err != nil {
			return b.String(), err
		}
		b.WriteString(s)
		open := strings.LastIndexByte(s, '{')
		if open < 0 || !strings.HasSuffix(s, "}\r\n") {
			return b.String(), nil
		}
		n, err := strconv.Atoi(s[open+1 : len(s)-3])
		if err != nil {
			return b.String(), err
		}
		if _, err := io.CopyN(&b, c.out, int64(n)); err != nil {
			return b.String(), err
		}
	}
}

// do sends a command and gives what untagged responses say, each parsed as a list.
func (c *imap) do(command string) (lines [][]any, err error) {
	c.tag++
	tag := fmt.Sprintf("t%d ", c.tag)
	if _, err := io.WriteString(c.in, tag+command+"\r\n"); err != nil {
		return nil, err
	}
	for {
		s, err := c.line()
		if err != nil {
			return nil, err
		}
		if done, ok := strings.CutPrefix(s, tag); ok {
			if !strings.HasPrefix(done, "OK") {
				err = fmt.Errorf("%s: %s", command, done)
			}
			return lines, err
		}
		if rest, ok := strings.CutPrefix(s, "* "); ok && !strings.HasPrefix(rest, "OK") {
			list, _ := imapList(strings.TrimSuffix(rest, "\r\n"))
			lines = append(lines, list)
		}
	}
}

// imapList reads atoms, strings, literals and lists up to the closing bracket; NIL is "".
func imapList(s string) (list []any, rest string) {
	for s != "" {
		switch {
		case s[0] == ' ':
			s = s[1:]
		case s[0] == ')':
			return list, s[1:]
		case s[0] == '(':
			var below []any
			below, s = imapList(s[1:])
			list = append(list, below)
		case s[0] == '"':
			var b strings.Builder
			i := 1
			for ; i < len(s) && s[i] != '"'; i++ {
				if s[i] == '\\' {
					i++
				}
				b.WriteByte(s[i])
			}
			list, s = append(list, b.String()), s[min(i+1, len(s)):]
		case s[0] == '{' || strings.HasPrefix(s, "~{"):
			head, tail, _ := strings.Cut(s, "}\r\n")
			n, _ := strconv.Atoi(strings.TrimLeft(head, "~{"))
			n = min(n, len(tail))
			list, s = append(list, tail[:n]), tail[n:]
		default:
			n := strings.IndexAny(s, " ()")
			if n < 0 {
				n = len(s)
			}
			atom := s[:n]
			if atom == "NIL" {
				atom = ""
			}
			list, s = append(list, atom), s[n:]
		}
	}
	return list, ""
}

// at goes down a list; what is not there is "".
func at(v any, path ...int) any {
	for _, i := range path {
		list, _ := v.([]any)
		if i >= len(list) {
			return ""
		}
		v = list[i]
	}
	return v
}

func textAt(v any, path ...int) string {
	s, _ := at(v, path...).(string)
	return s
}

// readDovecot asks for the structure, and for each part as the server decodes it. The
// server must also find each mail by its subject and names, for which it decodes them.
func readDovecot(ctx context.Context, dir string, files []string) (all []seen, err error) {
	c, err := startIMAP(ctx, dir, files)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.stop()) }()
	if _, err := c.do("SELECT INBOX"); err != nil {
		return nil, err
	}
	for i := range files {
		s, err := c.read(i + 1)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

func (c *imap) read(n int) (s seen, err error) {
	lines, err := c.do(fmt.Sprintf("FETCH %d (ENVELOPE BODYSTRUCTURE)", n))
	if err != nil || len(lines) != 1 {
		return s, fmt.Errorf("%d responses: %w", len(lines), err)
	}
	envelope, structure := at(lines[0], 2, 1), at(lines[0], 2, 3)
	var words mime.WordDecoder
	if s.Subject, err = words.DecodeHeader(textAt(envelope, 1)); err != nil {
		return s, err
	}
	var people [][2]string
	for _, field := range []int{2, 5, 6} {
		name, err := words.DecodeHeader(textAt(envelope, field, 0, 0))
		if err != nil {
			return s, err
		}
		people = append(people, [2]string{name, textAt(envelope, field, 0, 2) + "@" + textAt(envelope, field, 0, 3)})
	}
	s.From, s.To = people[0], people[1:]
	if err := c.parts(n, "", structure, &s); err != nil {
		return s, err
	}
	for key, word := range map[string]string{"SUBJECT": s.Subject, "FROM": s.From[0], "CC": s.To[1][0], "BODY": strings.Fields(s.Text)[0]} {
		found, err := c.do(fmt.Sprintf("SEARCH CHARSET UTF-8 %s {%d+}\r\n%s", key, len(word), word))
		if err != nil || len(found) != 1 || textAt(found[0], 0) != "SEARCH" || !holds(found[0], strconv.Itoa(n)) {
			return s, fmt.Errorf("mail %d is not found by %s %q: %v, %v", n, key, word, found, err)
		}
	}
	return s, nil
}

func holds(list []any, word string) bool {
	for _, v := range list {
		if v == word {
			return true
		}
	}
	return false
}

// parts reads what is below a part of the structure.
func (c *imap) parts(n int, number string, structure any, s *seen) error {
	if list, ok := structure.([]any); ok && len(list) > 0 {
		if _, several := list[0].([]any); several {
			for i, below := range list {
				if _, ok := below.([]any); !ok {
					break
				}
				if err := c.parts(n, strings.TrimPrefix(fmt.Sprintf("%s.%d", number, i+1), "."), below, s); err != nil {
					return err
				}
			}
			return nil
		}
	}
	lines, err := c.do(fmt.Sprintf("FETCH %d (BINARY.PEEK[%s])", n, number))
	if err != nil || len(lines) != 1 {
		return fmt.Errorf("part %s: %d responses: %w", number, len(lines), err)
	}
	content := textAt(lines[0], 2, 1)
	disposition := 8 // of a part that is no text (RFC 9051 section 7.5.2)
	if textAt(structure, 0) == "text" {
		disposition = 9
	}
	switch kind := textAt(structure, 0) + "/" + textAt(structure, 1); {
	case textAt(structure, disposition, 0) != "":
		name, err := imapName(at(structure, disposition, 1))
		s.Files = append(s.Files, seenFile{name, content, textAt(structure, disposition, 0) == "inline"})
		return err
	case kind == "text/plain":
		s.Text = content
	case kind == "text/html":
		s.HTML = content
	}
	return nil
}

// imapName finds the file name; Dovecot joins its pieces and leaves it encoded (RFC 2231).
func imapName(params any) (string, error) {
	for i := 0; textAt(params, i) != ""; i += 2 {
		switch textAt(params, i) {
		case "filename":
			return textAt(params, i+1), nil
		case "filename*":
			return url.PathUnescape(strings.TrimPrefix(textAt(params, i+1), "utf-8''"))
		}
	}
	return "", errors.New("no file name")
}
