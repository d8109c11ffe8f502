package integration

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// nail runs s-nail on one mail, without anybody's configuration, where it may leave files.
func nail(ctx context.Context, dir string, commands ...string) (string, error) {
	args := []string{"-:/", "-#", "-R", "-Sttycharset=utf-8", "-f"}
	for _, c := range append(commands, "xit") {
		args = append(args, "-Y", c)
	}
	cmd := exec.CommandContext(ctx, "s-nail", append(args, filepath.Join(dir, "mbox"))...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "LC_ALL=C.UTF-8", "HOME="+dir)
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("s-nail: %w: %s", err, out)
	}
	return string(out), err
}

// nailPart is where s-nail says that a part begins.
var nailPart = regexp.MustCompile(`(?m)^\[-- #1(\.\d+)* \d+/\d+ --\]\n`)

// readNail lets s-nail print the mail, and write its attachments under the names that it
// decodes. It shows no HTML, no joiners between emoji, and not whether an image is inline.
func readNail(ctx context.Context, dir string, files []string) (all []seen, err error) {
	for _, file := range files {
		mail := filepath.Join(dir, filepath.Base(file))
		if err := os.Mkdir(mail, 0o755); err != nil {
			return nil, err
		}
		raw, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		mbox := "From a@b Wed Mar 04 05:06:07 2026\n" + strings.ReplaceAll(string(raw), "\r\n", "\n") + "\n"
		if err := os.WriteFile(filepath.Join(mail, "mbox"), []byte(mbox), 0o644); err != nil {
			return nil, err
		}
		s, err := nailMail(ctx, mail)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

func nailMail(ctx context.Context, dir string) (s seen, err error) {
	s.Plain = true
	shown, err := nail(ctx, dir, "type 1")
	if err != nil {
		return s, err
	}
	header, body, _ := strings.Cut(shown, "\n\n")
	s.Subject = nailField(header, "Subject")
	s.From = nailPerson(nailField(header, "From"))
	s.To = [][2]string{nailPerson(nailField(header, "To")), nailPerson(nailField(header, "Cc"))}
	for _, part := range nailPart.Split(body, -1) {
		if head, text, _ := strings.Cut(part, "\n\n"); strings.Contains(head, "text/plain") {
			s.Text = text
		}
	}
	if _, err := nail(ctx, dir, "write 1 body"); err != nil {
		return s, err
	}
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		content, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return s, err
		}
		switch e.Name() {
		case "mbox", "body":
		default:
			s.Files = append(s.Files, seenFile{e.Name(), string(content), strings.HasSuffix(e.Name(), ".png")})
		}
	}
	return s, err
}

func nailField(header, name string) string {
	_, rest, _ := strings.Cut("\n"+header, "\n"+name+": ")
	value, _, _ := strings.Cut(rest, "\n")
	return value
}

func nailPerson(s string) [2]string {
	name, address, _ := strings.Cut(strings.TrimSuffix(s, ">"), " <")
	return [2]string{strings.Trim(name, `"`), address}
}
