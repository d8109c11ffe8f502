package integration

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"postdesk/integration/lab"
	"postdesk/integration/sink"
)

const canaryWords = "A canary sings of lost invoices and calls for help on Tuesday."

// canarySeen says in which files of a directory the canary can be read: as they lie there,
// and in all that is compressed in them, also in what nothing refers to any more.
func canarySeen(t *testing.T, dir string) (found []string) {
	t.Helper()
	dictionary, err := os.ReadFile(filepath.Join("..", "ticketing", "store", "dictionary", "1"))
	if err != nil {
		t.Fatal(err)
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderDictRaw(1, dictionary))
	if err != nil {
		t.Fatal(err)
	}
	defer dec.Close()
	err = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		var data []byte
		if err == nil && !e.IsDir() {
			data, err = os.ReadFile(path)
		}
		if errors.Is(err, fs.ErrNotExist) && path != dir {
			return nil // the agent has removed it meanwhile
		}
		if err != nil {
			return err
		}
		texts := [][]byte{data}
		for at := 0; ; at++ {
			i := bytes.Index(data[at:], []byte{0x28, 0xb5, 0x2f, 0xfd})
			if i < 0 {
				break
			}
			at += i
			plain, _ := dec.DecodeAll(data[at:min(len(data), at+4<<20)], nil)
			texts = append(texts, plain)
		}
		encoded := base64.StdEncoding.EncodeToString([]byte(canaryWords))
		for _, text := range texts {
			if low := bytes.ToLower(text); bytes.Contains(low, []byte("canary")) || bytes.Contains(text, []byte(encoded[:20])) {
				found = append(found, path)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// birdOf is a desk to which the bird has written, small and large, and which has answered.
func birdOf(t *testing.T, limit time.Duration) (d *desk, ticket string) {
	d = newDesk(t, limit, lab.Options{}, lab.AgentOptions{WithStaff: true})
	letter := lab.Letter{From: "canary@" + lab.SignedDomain, Name: "Joanna Canary", To: "new@" + lab.Domain, Subject: "Canary lost", MessageID: "canary1@" + lab.SignedDomain, Body: canaryWords + "\n"}
	d.write(letter)
	ticket = d.waitTickets(1)[0].Name
	d.reply(ticket, "first", "Dear Joanna Canary, we look for it.")
	d.until("the answer", func() (bool, error) { return slices.ContainsFunc(d.Sink.Mails(), toBird), nil })
	letter.Subject, letter.MessageID, letter.To = "Re: Canary lost", "canary2@"+lab.SignedDomain, ticket+"@"+lab.Domain
	letter.Body = strings.Repeat(canaryWords+"\n", 4000)
	d.write(letter)
	d.waitMessages(ticket, 3)
	d.until("staff to be told", func() (bool, error) { return len(d.Sink.Mails()) >= 3, nil })
	return d, ticket
}

// certificate is what person erase prints.
type certificate struct {
	Removed struct {
		Tickets  []string
		Messages []int64
	}
	Disk struct{ Written bool }
}

// A person is exported and erased by the commands, nothing of them is left on the disk, and a
// backup of before brings nothing of them back.
func TestPersonIsErased(t *testing.T) {
	t.Parallel()
	d, ticket := birdOf(t, 3*time.Minute)
	address := "canary@" + lab.SignedDomain
	backup, archive := filepath.Join(d.Dir, "desk.tar.zst"), filepath.Join(d.Dir, "person.zip")
	_, err := d.agent.Command(d.ctx, "backup", backup)
	d.must(err)
	_, err = d.agent.Command(d.ctx, "person", "export", address, "-o", archive)
	d.must(err)
	checkExport(t, archive, ticket)
	dry, err := d.agent.Command(d.ctx, "person", "erase", address, "--dry-run")
	d.must(err)
	if _, err := d.agent.Command(d.ctx, "person", "erase", address); err == nil || len(canarySeen(t, d.agent.Data)) == 0 {
		t.Errorf("erased without being asked: %v", err)
	}
	said, err := d.agent.Command(d.ctx, "person", "erase", address, "--yes")
	d.must(err)
	var c certificate
	d.must(json.Unmarshal([]byte(said), &c))
	if strings.Contains(strings.ToLower(said), "canary") || !slices.Contains(c.Removed.Tickets, ticket) || len(c.Removed.Messages) != 3 || !c.Disk.Written || !strings.Contains(dry, ticket) {
		t.Errorf("certificate:\n%s\ndry run:\n%s", said, dry)
	}
	if seen := canarySeen(t, d.agent.Data); len(seen) > 0 {
		t.Errorf("the canary is in %v", seen)
	}
	d.must(d.agent.Stop(d.ctx))
	if said, err := d.agent.Command(d.ctx, "verify"); err != nil || !strings.HasPrefix(said, "ok ") {
		t.Errorf("verify: %s %v", said, err)
	}
	restoreWithout(d, backup)
}

func checkExport(t *testing.T, archive, ticket string) {
	t.Helper()
	z, err := zip.OpenReader(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	var names []string
	for _, f := range z.File {
		names = append(names, f.Name)
	}
	text := strings.Join(names, " ")
	for _, want := range []string{"export.json", "tickets.json", "messages.json", "events.json", "mail/" + ticket, "outgoing/" + ticket} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in the export: %s", want, text)
		}
	}
}

// restoreWithout restores a backup of before an erasure, in each way that an operator can.
func restoreWithout(d *desk, backup string) {
	d.t.Helper()
	elsewhere := filepath.Join(d.Dir, "elsewhere")
	said, err := d.agent.Command(d.ctx, "restore", backup, "--data", elsewhere)
	d.must(err)
	if seen := canarySeen(d.t, elsewhere); len(seen) > 0 || !strings.Contains(said, "1 erasures that are newer") {
		d.t.Errorf("restored, and the canary is in %v: %s", seen, said)
	}
	// The whole disk is lost: nobody can forget to say what was erased.
	lost := filepath.Join(d.Dir, "lost")
	d.must(os.MkdirAll(lost, 0o700))
	list := filepath.Join(lost, "kept-elsewhere")
	d.must(os.Rename(filepath.Join(d.agent.Data, "erasures"), list))
	d.must(os.RemoveAll(elsewhere))
	target := filepath.Join(lost, "desk")
	if _, err := d.agent.Command(d.ctx, "restore", backup, "--data", target); err == nil || !strings.Contains(err.Error(), "--no-erasures") {
		d.t.Errorf("restored though nobody says what was erased: %v", err)
	}
	_, err = d.agent.Command(d.ctx, "restore", backup, "--data", target, "--erasures", list)
	d.must(err)
	if seen := canarySeen(d.t, target); len(seen) > 0 {
		d.t.Errorf("restored with the list, and the canary is in %v", seen)
	}
	d.must(os.RemoveAll(target))
	_, err = d.agent.Command(d.ctx, "restore", backup, "--data", target, "--no-erasures") // the control
	d.must(err)
	if seen := canarySeen(d.t, target); len(seen) == 0 {
		d.t.Error("the backup has no canary: this test would see nothing")
	}
}

func toBird(m sink.Mail) bool { return slices.Contains(m.To, "canary@"+lab.SignedDomain) }

// Tickets and events whose time is over go by the command, and who follows the feed from before
// learns where to go on.
func TestRetentionByCommand(t *testing.T) {
	t.Parallel()
	d := stoppedDesk(t, 2*time.Minute, lab.Options{}, lab.AgentOptions{Extra: `keep_events = "1ms"`})
	config, err := os.ReadFile(d.agent.Config)
	d.must(err)
	d.must(os.WriteFile(d.agent.Config, bytes.ReplaceAll(config, []byte(`key = "SUPPORT"`), []byte("key = \"SUPPORT\"\nretention = \"1ms\"")), 0o600))
	d.must(d.agent.Start(d.ctx))
	d.connect()
	d.write(lab.Letter{From: jane, To: "new@" + lab.Domain, Subject: "Canary", MessageID: "canary@" + lab.SignedDomain, Body: strings.Repeat(canaryWords+"\n", 4000)})
	ticket := d.waitTickets(1)[0].Name
	_, err = d.agent.Command(d.ctx, "status", ticket, "closed")
	d.must(err)
	said, err := d.agent.Command(d.ctx, "retention", "--dry-run")
	d.must(err)
	if !strings.Contains(said, "SUPPORT") || !strings.Contains(said, "to be removed") {
		t.Errorf("dry run: %s", said)
	}
	d.waitTickets(1)
	said, err = d.agent.Command(d.ctx, "retention")
	d.must(err)
	t.Log(said)
	d.waitTickets(0)
	d.until("the events to go", func() (bool, error) { // once our own consumers have seen them
		_, err := d.agent.Command(d.ctx, "retention")
		d.must(err)
		_, err = d.agent.Command(d.ctx, "events", "--after", "1")
		return err != nil && strings.Contains(err.Error(), "not kept any more"), nil
	})
	if seen := canarySeen(t, filepath.Join(d.agent.Data, "raw")); len(seen) > 0 {
		t.Errorf("files that are left: %v", seen)
	}
	d.must(d.agent.Stop(d.ctx))
	if said, err := d.agent.Command(d.ctx, "verify"); err != nil || !strings.HasPrefix(said, "ok ") {
		t.Errorf("verify: %s %v", said, err)
	}
}

// Killed at any moment of an erasure, the agent ends it when it runs again, without being asked.
func TestErasureIsKilled(t *testing.T) {
	t.Parallel()
	d := newDesk(t, 3*time.Minute, lab.Options{}, lab.AgentOptions{})
	rnd := random(t)
	persons := share(3, 30)
	for n := range persons {
		d.write(lab.Letter{From: fmt.Sprintf("canary%d@%s", n, lab.SignedDomain), To: "new@" + lab.Domain, Subject: "Canary", MessageID: fmt.Sprintf("canary%d@%s", n, lab.SignedDomain),
			Body: strings.Repeat(canaryWords+"\n", 1+4000*(n%2))})
	}
	d.waitTickets(persons)
	for n := range persons {
		address := fmt.Sprintf("canary%d@%s", n, lab.SignedDomain)
		ended := make(chan error, 1)
		go func() { _, err := d.agent.Command(d.ctx, "person", "erase", address, "--yes"); ended <- err }()
		d.until("the erasure to be noted", func() (bool, error) { noted, _ := erasures(d); return noted == n+1, nil })
		moment := time.NewTimer(time.Duration(rnd.Int64N(int64(60 * time.Millisecond)))) // a moment is what this test is about
		<-moment.C
		d.must(d.agent.Kill())
		<-ended
		d.must(d.agent.Start(d.ctx))
		d.until("the erasure to be done", func() (bool, error) { _, open := erasures(d); return open == 0, nil })
	}
	d.until("the index of words to forget", func() (bool, error) { return len(canarySeen(t, d.agent.Data)) == 0, nil })
	d.must(d.agent.Stop(d.ctx))
	if said, err := d.agent.Command(d.ctx, "verify"); err != nil || !strings.HasPrefix(said, "ok ") {
		t.Errorf("verify: %s %v", said, err)
	}
}

// erasures counts those that are noted, and those of them that are not done.
func erasures(d *desk) (noted, open int) {
	text, _ := os.ReadFile(filepath.Join(d.agent.Data, "erasures"))
	noted = strings.Count(string(text), `"id":`)
	return noted, noted - strings.Count(string(text), `"done":true`)
}
