package integration

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"postdesk/integration/lab"
)

// filler is a sender of mails that are as large on the disk as they look.
type filler struct {
	d       *desk
	rnd     *rand.Rand
	name    int
	taken   [][]byte
	refused [][]byte
}

func (f *filler) letter() []byte {
	noise := make([]byte, 1<<(10+f.rnd.IntN(8))) // up to 128 KB: in the database, and in files of their own
	for i := range noise {
		noise[i] = byte(f.rnd.Uint32())
	}
	id := fmt.Sprintf("kill %d", (len(f.taken)+len(f.refused))*fillers+f.name)
	var text bytes.Buffer
	fmt.Fprintf(&text, "From: <%s>\r\nSubject: %s\r\n\r\n", jane, id)
	for body := base64.StdEncoding.EncodeToString(noise); body != ""; body = body[min(76, len(body)):] {
		text.WriteString(body[:min(76, len(body))] + "\r\n")
	}
	return text.Bytes()
}

// try delivers a mail once, and says whether it was taken; what is neither that nor
// temporary is a fault.
func (f *filler) try(raw []byte) bool {
	c := dialLMTP(f.d)
	defer c.Close()
	c.begin()
	_, err := c.conn.Write(append(bytes.Clone(raw), ".\r\n"...))
	f.d.must(err)
	code, text, err := c.ReadResponse(0)
	if code != 250 && code != 451 && code != 452 {
		f.d.t.Errorf("with a full disk: %d %s, %v", code, text, err)
	}
	return code == 250
}

// fill sends until three mails were refused.
func (f *filler) fill() {
	for len(f.refused) < 3 && f.d.ctx.Err() == nil {
		if raw := f.letter(); f.try(raw) {
			f.taken = append(f.taken, raw)
		} else {
			f.refused = append(f.refused, raw)
		}
	}
}

const fillers = 4

// Mail that comes from several sides at once fills the disk: it is taken or deferred, what was
// taken can be read, and when there is room all the rest arrives, each once and whole.
func TestDiskFullByMail(t *testing.T) {
	t.Parallel()
	size := share(32, 160)
	data := smallDisk(t, size)
	d := newDesk(t, time.Duration(share(2, 15))*time.Minute, lab.Options{NoPostfix: true}, lab.AgentOptions{Data: data})
	ballast := filepath.Join(data, "ballast")
	d.must(os.WriteFile(ballast, make([]byte, size/2<<20), 0o600))
	seeds := random(t)
	var all [fillers]*filler
	var wg sync.WaitGroup
	for i := range all {
		all[i] = &filler{d: d, rnd: rand.New(rand.NewPCG(seeds.Uint64(), 0)), name: i}
		wg.Go(all[i].fill)
	}
	wg.Wait()
	_, err := d.api.Tickets(d.ctx)
	d.must(err) // still readable
	d.must(os.Remove(ballast))
	var sent [][]byte
	for _, f := range all {
		if len(f.taken) == 0 || len(f.refused) == 0 {
			t.Errorf("%d mails were taken and %d refused: the test sees nothing", len(f.taken), len(f.refused))
		}
		for _, raw := range f.refused {
			d.until("a mail to be taken when there is room", func() (bool, error) { return f.try(raw), nil })
		}
		sent = append(append(sent, f.taken...), f.refused...)
	}
	d.must(d.agent.Drained(d.ctx))
	checkOnce(d, sent)
	d.must(d.agent.Stop(d.ctx))
	checkIntegrity(d)
}
