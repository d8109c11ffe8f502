package ticketing

import (
	"sync"
	"time"

	"postdesk/ticketing/mail"
)

// texts hands what was read of a mail, when it came in, on to the index of words: to fetch
// it again, expand and parse it costs more than to index its words. What does not fit, or
// came before a restart, is read again. A mail is known by the hash of its bytes, so that
// one that was redacted since is another one.
type texts struct {
	mu    sync.Mutex
	all   map[Hash]keptText
	size  int
	swept time.Time
}

type keptText struct {
	mail mail.Message
	size int
	came time.Time
}

const (
	textsBytes = 4 << 20         // all together; what holds them takes three times as much
	textsAge   = 5 * time.Minute // what nobody takes goes, as that of a mail which came twice
)

// keep takes what mail.Intake has read.
func (t *texts) keep(h Hash, m mail.Message) {
	m.Attachments = nil                                         // as large as the mail, and no words
	size := 2<<10 + len(m.Text) + len(m.HTML) + len(m.HTMLText) // with its header, about
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, known := t.all[h]; known || size > indexText || t.size+size > textsBytes {
		return // the first to come are the first to be indexed
	}
	if t.all == nil {
		t.all = map[Hash]keptText{}
	}
	t.all[h] = keptText{m, size, time.Now()}
	t.size += size
}

// take gives what was kept of a mail, and forgets it.
func (t *texts) take(h Hash) (mail.Message, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	kept, here := t.all[h]
	t.size -= kept.size
	delete(t.all, h)
	return kept.mail, here
}

// age forgets what nobody has taken.
func (t *texts) age() {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	if now.Sub(t.swept) < textsAge/5 {
		return
	}
	t.swept = now
	for h, kept := range t.all {
		if now.Sub(kept.came) > textsAge {
			t.size -= kept.size
			delete(t.all, h)
		}
	}
}

func (t *texts) clear() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.all, t.size = nil, 0
}
