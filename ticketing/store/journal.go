package store

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"postdesk/ticketing"
)

// journalName is the file of what was to be taken away for good. It is beside the database
// and not in it, so that a backup which is older does not bring back what was erased after
// it: Restore takes the newest of it over.
const journalName = "erasures"

// journalLine is one line of the file. The first has the key and nothing else.
type journalLine struct {
	Key    string `json:"key,omitempty"` // of the digests, hex
	Digest string `json:"digest,omitempty"`
	Done   bool   `json:"done,omitempty"`
	*ticketing.Erasure
}

// journal is the file. It only grows.
type journal struct {
	path string
	key  []byte

	mu  sync.Mutex
	all []ticketing.Erasure // the oldest first
}

// openJournal reads the file, and makes it when there is none.
func openJournal(dir string) (*journal, error) {
	path := filepath.Join(dir, journalName)
	j, err := readJournal(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return j, err
	}
	key := make([]byte, 32)
	rand.Read(key) // never fails: crypto/rand ends the program instead
	j = &journal{path: path, key: key}
	return j, j.write()
}

// readJournal reads the file. A last line that a crash has cut off was never promised.
func readJournal(path string) (*journal, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	j := &journal{path: path}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		var l journalLine
		err := json.Unmarshal(lines.Bytes(), &l)
		if err != nil && n > 1 && !bytes.HasSuffix(text, []byte("\n")) {
			break
		}
		if err == nil && n == 1 {
			j.key, err = hex.DecodeString(l.Key)
		}
		if err == nil && n > 1 {
			err = j.take(l)
		}
		if err != nil || len(j.key) < 32 {
			return nil, fmt.Errorf("%s, line %d, cannot be read: it says who was erased; restore it from a backup: %w", path, n, errors.Join(err, errors.New("no line of it")))
		}
	}
	if len(j.key) == 0 {
		return nil, fs.ErrNotExist // a crash came before its first line
	}
	return j, nil
}

// take adds a line, or marks the erasure that it names as done.
func (j *journal) take(l journalLine) error {
	if l.Erasure == nil || l.ID == "" {
		return errors.New("it names no erasure")
	}
	e := *l.Erasure
	if n, err := hex.Decode(e.Digest[:], []byte(l.Digest)); err != nil || n != len(e.Digest) {
		return errors.New("it has no digest")
	}
	e.Done = l.Done
	if i := slices.IndexFunc(j.all, func(o ticketing.Erasure) bool { return o.ID == e.ID }); i >= 0 {
		j.all[i].Done = j.all[i].Done || e.Done
		return nil
	}
	j.all = append(j.all, e)
	return nil
}

// line is how an erasure stands in the file.
func (j *journal) line(e ticketing.Erasure) ([]byte, error) {
	b, err := json.Marshal(journalLine{Digest: e.Digest.String(), Done: e.Done, Erasure: &e})
	return append(b, '\n'), err
}

// write writes the whole file anew, and makes it durable.
func (j *journal) write() error {
	text, err := json.Marshal(journalLine{Key: hex.EncodeToString(j.key)})
	text = append(text, '\n')
	for _, e := range j.all {
		line, lineErr := j.line(e)
		text, err = append(text, line...), errors.Join(err, lineErr)
	}
	if err != nil {
		return err
	}
	f, err := os.OpenFile(j.path+".partial", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return errors.Join(os.Rename(j.path+".partial", j.path), syncDir(filepath.Dir(j.path)))
}

func (j *journal) note(e ticketing.Erasure) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.take(journalLine{Digest: e.Digest.String(), Done: e.Done, Erasure: &e}); err != nil {
		return err
	}
	return j.write()
}

// Erasures gives what was noted, the oldest first.
func (d *DB) Erasures() ([]ticketing.Erasure, error) {
	d.journal.mu.Lock()
	defer d.journal.mu.Unlock()
	return slices.Clone(d.journal.all), nil
}

// NoteErasure makes it durable that something is to be taken away, or that it was.
func (d *DB) NoteErasure(e ticketing.Erasure) error { return d.journal.note(e) }

// KeyedDigest is an HMAC with the key of the file.
func (d *DB) KeyedDigest(purpose, value string) ticketing.Hash {
	h := hmac.New(sha256.New, d.journal.key)
	fmt.Fprintf(h, "%d:%s%s", len(purpose), purpose, value)
	return ticketing.Hash(h.Sum(nil))
}
