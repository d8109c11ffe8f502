package web

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"postdesk/ticketing"
)

// importMailMax is the largest mail, and the most of one batch, that is brought in: a
// batch is held in memory.
const importMailMax = 256 << 20

// importCountMax is the most mails of one batch.
const importCountMax = 1000

// ImportOptions say how a history is brought in.
type ImportOptions struct {
	Queue  string   `json:"queue"`
	Status string   `json:"status" enum:"closed,resolved,open"`
	Ours   []string `json:"ours,omitempty" doc:"addresses and domains of the desk's own side"`
	Alias  []string `json:"alias,omitempty" doc:"patterns of old ticket numbers in subjects"`
}

// ImportPlan is what sorting a history needs to know of the desk.
type ImportPlan struct {
	Patterns []string `json:"patterns" doc:"regular expressions of the desk's addresses"`
}

// ImportKeys are of mails that may be there already.
type ImportKeys struct {
	ImportOptions
	Keys []string `json:"keys" maxItems:"10000"`
}

// ImportKnown says of each key whether it is there, in order.
type ImportKnown struct {
	Known []bool `json:"known"`
}

// importItem is the line before the octets of a mail.
type importItem struct {
	Key    string    `json:"key"`
	Anchor string    `json:"anchor,omitempty"`
	Date   time.Time `json:"date"`
	Size   int64     `json:"size"`
}

// WriteImport writes a batch as importMails reads it: the options as a line of JSON, and
// for each mail a line of JSON and its octets.
func WriteImport(w io.Writer, o ImportOptions, mails []ticketing.ImportMail) error {
	lines := json.NewEncoder(w)
	if err := lines.Encode(o); err != nil {
		return err
	}
	for _, m := range mails {
		item := importItem{Key: m.Key.String(), Date: m.Date, Size: int64(len(m.Raw))}
		if !m.Anchor.IsZero() {
			item.Anchor = m.Anchor.String()
		}
		if err := lines.Encode(item); err != nil {
			return err
		}
		if _, err := w.Write(m.Raw); err != nil {
			return err
		}
	}
	return nil
}

// importBody reads the request itself: a batch is no JSON.
type importBody struct{ r io.Reader }

// Resolve takes the body before huma would.
func (b *importBody) Resolve(c huma.Context) []error {
	b.r = c.BodyReader()
	return nil
}

// importRoutes are for administrators: what is imported is believed.
func (s *Server) importRoutes(api huma.API) {
	op := func(path, id, summary string) huma.Operation {
		o := route(http.MethodPost, "/import/"+path, id, summary, ticketing.VerbAdmin, "")
		o.MaxBodyBytes = 4 << 20
		return o
	}
	huma.Register(api, op("plan", "planImport", "Check the options of an import"), func(ctx context.Context, in *body[ImportOptions]) (*body[ImportPlan], error) {
		if _, err := s.newImport(ctx, in.Body); err != nil {
			return nil, s.failure(ctx, err)
		}
		return &body[ImportPlan]{ImportPlan{s.desk.Directory().Patterns()}}, nil
	})
	huma.Register(api, op("known", "knownImport", "Which mails are there already"), func(ctx context.Context, in *body[ImportKeys]) (*body[ImportKnown], error) {
		known, err := s.importKnown(ctx, in.Body)
		if err != nil {
			return nil, s.failure(ctx, err)
		}
		return &body[ImportKnown]{ImportKnown{known}}, nil
	})
	huma.Register(api, op("mails", "addImport", "Add mails to the history of a queue, all or none"), func(ctx context.Context, in *importBody) (*body[ticketing.ImportResult], error) {
		result, err := s.importMails(ctx, in.r)
		if err != nil {
			return nil, s.failure(ctx, err)
		}
		return &body[ticketing.ImportResult]{result}, nil
	})
}

func (s *Server) newImport(ctx context.Context, o ImportOptions) (*ticketing.Import, error) {
	return s.desk.NewImport(actor(ctx), ticketing.ImportOptions{Queue: o.Queue, Status: ticketing.Status(o.Status), Ours: o.Ours, Alias: o.Alias})
}

func (s *Server) importKnown(ctx context.Context, in ImportKeys) ([]bool, error) {
	imp, err := s.newImport(ctx, in.ImportOptions)
	if err != nil {
		return nil, err
	}
	keys := make([]ticketing.Hash, len(in.Keys))
	for i, k := range in.Keys {
		if keys[i], err = readHash(k); err != nil {
			return nil, err
		}
	}
	return imp.Known(ctx, keys)
}

func (s *Server) importMails(ctx context.Context, r io.Reader) (ticketing.ImportResult, error) {
	in := bufio.NewReaderSize(r, 64<<10)
	var o ImportOptions
	if err := readLine(in, &o); err != nil {
		return ticketing.ImportResult{}, err
	}
	imp, err := s.newImport(ctx, o)
	if err != nil {
		return ticketing.ImportResult{}, err
	}
	mails, err := readImport(in)
	if err != nil {
		return ticketing.ImportResult{}, err
	}
	return imp.Add(ctx, mails)
}

// readImport reads the mails of a batch. One that was cut off is an error: its mails are
// added together or not at all.
func readImport(in *bufio.Reader) (mails []ticketing.ImportMail, err error) {
	var total int64
	for {
		if _, err := in.Peek(1); err == io.EOF {
			return mails, nil
		}
		var item importItem
		if err := readLine(in, &item); err != nil {
			return nil, err
		}
		if total += item.Size; item.Size < 0 || total > importMailMax || len(mails) == importCountMax {
			return nil, fmt.Errorf("%w: a batch is of %d mails and %d octets at most", ticketing.ErrInvalid, importCountMax, importMailMax)
		}
		m := ticketing.ImportMail{Date: item.Date, Raw: make([]byte, item.Size)}
		if m.Key, err = readHash(item.Key); err != nil {
			return nil, err
		}
		if item.Anchor != "" {
			if m.Anchor, err = readHash(item.Anchor); err != nil {
				return nil, err
			}
		}
		if _, err := io.ReadFull(in, m.Raw); err != nil {
			return nil, fmt.Errorf("%w: the batch is cut off: %w", ticketing.ErrInvalid, err)
		}
		mails = append(mails, m)
	}
}

func readLine(in *bufio.Reader, to any) error {
	line, err := in.ReadSlice('\n')
	if err == nil {
		err = json.Unmarshal(line, to)
	}
	if err != nil {
		return fmt.Errorf("%w: a batch of mails begins each with a line of JSON: %w", ticketing.ErrInvalid, err)
	}
	return nil
}

func readHash(s string) (h ticketing.Hash, err error) {
	if n, err := hex.Decode(h[:], []byte(s)[:min(len(s), 2*len(h))]); err != nil || n != len(h) || len(s) != 2*len(h) {
		return h, fmt.Errorf("%w: %q is no key", ticketing.ErrInvalid, s)
	}
	return h, nil
}
