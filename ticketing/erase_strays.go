package ticketing

import (
	"context"
	"slices"
	"strings"

	"postdesk/ticketing/mail"
)

// strays takes away what is of no ticket, and ends the erasure.
func (x eraser) strays(ctx context.Context, e Erasure, w wanted) error {
	uploads, err := x.staleUploads(ctx, w)
	if err != nil {
		return err
	}
	pending, err := x.pendingOf(ctx, w)
	if err != nil {
		return err
	}
	return x.write(ctx, func(tx Tx) error {
		var old []Hash
		out, err := tx.StrayOutgoing(w.addresses)
		if err != nil {
			return err
		}
		var ids []int64
		for _, o := range out {
			if err := tx.RemoveOutgoing(o.ID); err != nil {
				return err
			}
			old, ids = append(old, o.Raw), append(ids, o.ID)
		}
		for _, u := range uploads {
			if err := tx.RemoveUpload(u.ID); err != nil {
				return err
			}
			old = append(old, u.Raw)
		}
		for _, a := range pending {
			if err := tx.Forget(x.store.KeyedDigest(digestRaw, a.Raw.String())); err != nil {
				return err
			}
			if err := tx.RemoveArrival(a.ID); err != nil {
				return err
			}
			old = append(old, a.Raw)
		}
		paths, err := tx.EraseReversePaths(w.addresses, e.At)
		if err != nil {
			return err
		}
		domains := w.lonelyDomains()
		for _, d := range domains {
			if err := tx.RemoveDomain(d); err != nil {
				return err
			}
		}
		return x.removed(tx, e, old, func(r *Removed) {
			r.Outgoing, r.Uploads, r.Arrivals, r.Domains = unique(r.Outgoing, ids...), r.Uploads+len(uploads), r.Arrivals+len(pending)+int(paths), r.Domains+len(domains)
		})
	})
}

// end tells once that the erasure is done, where no ticket has told of it.
func (x eraser) end(tx Tx, e Erasure) error {
	r, told, err := tx.Removed(e.ID)
	if err != nil || told {
		return err
	}
	if e.Kind == ErasePerson && len(r.Tickets) == 0 {
		if err := tx.Append(&Event{Time: x.now(), Type: PersonErased, Actor: e.actor(), Origin: e.origin(), Facts: map[string]string{"erasure": e.ID, "messages": ""}}); err != nil {
			return err
		}
	}
	return tx.PutRemoved(e.ID, r, true)
}

// lonelyDomains are domains of which nobody else is here.
func (w wanted) lonelyDomains() (out []string) {
	for _, a := range w.addresses {
		_, domain, _ := cutAddress(mail.Lower(a))
		if domain != "" && !slices.ContainsFunc(w.all, func(o string) bool { return strings.HasSuffix(mail.Lower(o), "@"+domain) }) {
			out = unique(out, domain)
		}
	}
	return out
}

// staleUploads are files on their way into a reply that are theirs, or are forgotten there.
func (x eraser) staleUploads(ctx context.Context, w wanted) (out []Upload, err error) {
	var all []Upload
	if err := x.store.Read(ctx, func(tx Tx) error { all, err = tx.Uploads(); return err }); err != nil {
		return nil, err
	}
	t := &mail.Traces{}
	for _, a := range w.addresses {
		t.AddAddress(a)
	}
	for _, u := range all {
		raw, err := x.store.Raw(ctx, u.Raw)
		if err != nil {
			return nil, err
		}
		if x.now().Sub(u.Created) > UploadLife || t.In(u.Name) || t.In(string(raw)) {
			out = append(out, u)
		}
	}
	return out, nil
}

// pendingOf is mail of theirs that was accepted and not processed yet.
func (x eraser) pendingOf(ctx context.Context, w wanted) (out []Arrival, err error) {
	var all []Arrival
	if err := x.store.Read(ctx, func(tx Tx) error { all, err = tx.PendingArrivals(0, 0); return err }); err != nil {
		return nil, err
	}
	for _, a := range all {
		if a.Received.After(w.at) {
			continue
		}
		raw, err := x.store.Raw(ctx, a.Raw)
		if err != nil {
			return nil, err
		}
		msg := mail.Intake(raw)
		if w.is(a.ReversePath) || slices.ContainsFunc(msg.From, func(f mail.Address) bool { return w.is(f.Address) }) {
			out = append(out, a)
		}
	}
	return out, nil
}
