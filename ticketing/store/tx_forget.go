package store

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"postdesk/ticketing"
)

func (t *tx) Addresses() ([]string, error) {
	t.long()
	return list(t, scanText, `SELECT from_address FROM message WHERE from_address <> '' UNION SELECT address FROM participant
		UNION SELECT requester FROM ticket WHERE requester <> '' UNION SELECT recipient FROM outgoing WHERE recipient <> ''
		UNION SELECT reverse_path FROM arrival WHERE reverse_path <> ''`)
}

// in gives places for values, which are added to the arguments.
func in[T any](args []any, values []T) (string, []any) {
	var places []string
	for _, v := range values {
		args = append(args, v)
		places = append(places, fmt.Sprintf("$%d", len(args)))
	}
	return strings.Join(places, ", "), args
}

func (t *tx) TicketsOf(addresses []string, until time.Time) ([]int64, error) {
	t.long()
	if len(addresses) == 0 {
		return nil, nil
	}
	places, args := in(nil, addresses)
	args = append(args, until)
	return list(t, scanInt, fmt.Sprintf(`SELECT id FROM ticket WHERE created <= $%[2]d AND (requester IN (%[1]s)
		OR id IN (SELECT ticket FROM participant WHERE address IN (%[1]s)) OR id IN (SELECT ticket FROM message WHERE from_address IN (%[1]s))
		OR id IN (SELECT m.ticket FROM message m JOIN arrival a ON a.id = m.arrival WHERE a.reverse_path IN (%[1]s))
		OR id IN (SELECT ticket FROM outgoing WHERE recipient IN (%[1]s))) ORDER BY id`, places, len(args)), args...)
}

func (t *tx) OutgoingOfTicket(ticket int64) ([]ticketing.Outgoing, error) {
	return list(t, scanOutgoing, selectOutgoing+" WHERE o.ticket = $1 ORDER BY o.id", ticket)
}

func (t *tx) StrayOutgoing(addresses []string) ([]ticketing.Outgoing, error) {
	t.long()
	if len(addresses) == 0 {
		return nil, nil
	}
	places, args := in(nil, addresses)
	return list(t, scanOutgoing, selectOutgoing+" WHERE o.ticket IS NULL AND o.recipient IN ("+places+") ORDER BY o.id", args...)
}

func (t *tx) ImportedOf(message int64) ([]ticketing.ImportedKey, error) {
	return list(t, func(r row, k *ticketing.ImportedKey) error {
		return r.Scan(&k.Queue, hashCol{&k.Key})
	}, "SELECT queue, key FROM imported WHERE message = $1", message)
}

func (t *tx) Uploads() ([]ticketing.Upload, error) {
	return list(t, scanUpload, selectUpload+" ORDER BY u.id")
}

func (t *tx) RemoveUpload(id int64) error { return t.change("DELETE FROM upload WHERE id = $1", id) }

func (t *tx) RemoveAttachment(id int64) error {
	return t.change("DELETE FROM attachment WHERE id = $1", id)
}

func (t *tx) EraseReversePaths(addresses []string, until time.Time) (int64, error) {
	if len(addresses) == 0 {
		return 0, nil
	}
	places, args := in(nil, addresses)
	args = append(args, until)
	return t.exec(fmt.Sprintf("UPDATE arrival SET reverse_path = '' WHERE reverse_path IN (%s) AND pending = 0 AND received <= $%d", places, len(args)), args...)
}

// run executes statements of one argument.
func (t *tx) run(arg any, queries ...string) error {
	for _, q := range queries {
		if _, err := t.exec(q, arg); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) StripMessage(id int64) error {
	var arrival int64
	if err := t.get("SELECT arrival FROM message WHERE id = $1", []any{id}, refCol{&arrival}); err != nil {
		return err
	}
	const called = "SELECT message_id, ticket, id FROM message WHERE id = $1 UNION ALL SELECT message_id, ticket, message FROM outgoing WHERE message = $1"
	if err := t.forgetNames(called, id); err != nil {
		return err
	}
	if err := t.run(id, "DELETE FROM attachment WHERE message = $1",
		"DELETE FROM imported WHERE message = $1", "UPDATE message SET arrival = NULL, raw = NULL WHERE id = $1"); err != nil {
		return err
	}
	return t.RemoveArrival(arrival)
}

// forgetNames takes away the Message-IDs that a query gives, with their tickets and messages.
func (t *tx) forgetNames(query string, args ...any) error {
	type name struct {
		id              string
		ticket, message int64
	}
	names, err := list(t, func(r row, n *name) error {
		return r.Scan(&n.id, refCol{&n.ticket}, refCol{&n.message})
	}, query, args...)
	for _, n := range names {
		if err == nil {
			_, err = t.exec("DELETE FROM message_id WHERE digest = $1 AND ticket = $2 AND message = $3", digest(n.id), n.ticket, n.message)
		}
	}
	return err
}

func (t *tx) RemoveArrival(id int64) error {
	_, err := t.exec("DELETE FROM arrival WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM message WHERE arrival = $1)", id)
	return err
}

func (t *tx) RemoveMessage(id int64) error { return t.change("DELETE FROM message WHERE id = $1", id) }

func (t *tx) RemoveMessageID(msgID string, ticket int64) error {
	_, err := t.exec("DELETE FROM message_id WHERE digest = $1 AND ticket = $2", digest(msgID), ticket)
	return err
}

func (t *tx) RemoveOutgoing(id int64) error {
	if err := t.forgetNames("SELECT message_id, ticket, message FROM outgoing WHERE id = $1", id); err != nil {
		return err
	}
	return t.change("DELETE FROM outgoing WHERE id = $1", id)
}

func (t *tx) EraseParticipant(id int64) error {
	// Each address of a ticket is there once; what has no "@" is none.
	return t.change("UPDATE participant SET address = 'erased-' || id, name = '', role = $1, generation = generation + 1 WHERE id = $2",
		ticketing.RoleRemoved, id)
}

// The number stays and so does what it was about; what it said of that is gone. The types of
// event that are compared here are no phrases.
const eraseEvents = `UPDATE event SET facts = '{"was":"' || type || '"}', type = $1`

func (t *tx) EraseEvents(ticket int64) (int64, error) {
	const about = ` WHERE ticket = $2 AND (message IN (SELECT id FROM message WHERE ticket = $2 AND reason = $3)
		OR outgoing IN (SELECT id FROM outgoing WHERE ticket = $2 AND recipient = ''))`
	// The reasons of dead letters were written by programs.
	if _, err := t.exec("UPDATE dead_letter SET reason = $1 WHERE seq IN (SELECT seq FROM event"+about+")", "", ticket, ticketing.ReasonErased); err != nil {
		return 0, err
	}
	return t.exec(eraseEvents+about+" AND type NOT IN ($1, $4, $5)", ticketing.EventErased, ticket, ticketing.ReasonErased, ticketing.PersonErased, ticketing.MessageRedacted)
}

func (t *tx) RemoveTicket(id int64) error {
	if err := t.flushLastSeq(); err != nil {
		return err
	}
	if _, err := t.exec("UPDATE dead_letter SET reason = '' WHERE seq IN (SELECT seq FROM event WHERE ticket = $1)", id); err != nil {
		return err
	}
	if _, err := t.exec(eraseEvents+" WHERE ticket = $2 AND type <> $1", ticketing.EventErased, id); err != nil {
		return err
	}
	if err := t.run(id, "UPDATE event SET ticket = NULL, message = NULL, outgoing = NULL WHERE ticket = $1",
		"UPDATE ticket SET linked = NULL WHERE linked = $1", "DELETE FROM participant WHERE ticket = $1", "DELETE FROM alias WHERE ticket = $1",
		"DELETE FROM reference WHERE ticket = $1", "DELETE FROM mute WHERE ticket = $1"); err != nil {
		return err
	}
	return t.change("DELETE FROM ticket WHERE id = $1", id)
}

func (t *tx) DropRaw(hashes []ticketing.Hash) (dropped []ticketing.Hash, err error) {
	for _, h := range hashes {
		var id int64
		var encoding string
		err := t.rawByHash("r.id, r.encoding", h, &id, &encoding)
		if errors.Is(err, ticketing.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		used, err := t.exists(`SELECT 1 WHERE EXISTS (SELECT 1 FROM message WHERE raw = $1) OR EXISTS (SELECT 1 FROM arrival WHERE id = $1)
			OR EXISTS (SELECT 1 FROM outgoing WHERE raw = $1) OR EXISTS (SELECT 1 FROM attachment WHERE raw = $1) OR EXISTS (SELECT 1 FROM upload WHERE raw = $1)`, id)
		if err != nil {
			return nil, err
		}
		if used {
			continue
		}
		if t.known == h {
			t.known, t.knownID = ticketing.Hash{}, 0
		}
		if encoding == encodingFile {
			if _, err := t.exec("INSERT INTO dropped (hash) VALUES ($1) ON CONFLICT (hash) DO NOTHING", h); err != nil {
				return nil, err
			}
		}
		if _, err := t.exec("DELETE FROM raw_hash WHERE start = $1 AND raw = $2", h[:hashStart], id); err != nil {
			return nil, err
		}
		if err := t.change("DELETE FROM raw WHERE id = $1", id); err != nil {
			return nil, err
		}
		dropped = append(dropped, h)
	}
	return dropped, nil
}

func (t *tx) Forget(digest ticketing.Hash) error {
	_, err := t.exec("INSERT INTO forgotten (digest) VALUES ($1) ON CONFLICT (digest) DO NOTHING", digest)
	return err
}

func (t *tx) Forgotten(digest ticketing.Hash) (bool, error) {
	return t.exists("SELECT 1 FROM forgotten WHERE digest = $1", digest)
}

func (t *tx) AnyForgotten() (bool, error) { return t.exists("SELECT 1 FROM forgotten LIMIT 1") }

func (t *tx) exists(query string, args ...any) (bool, error) {
	var one int64
	err := t.get(query, args, &one)
	if errors.Is(err, ticketing.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

func (t *tx) RemoveDomain(name string) error {
	_, err := t.exec("DELETE FROM domain WHERE name = $1", name)
	return err
}

func (t *tx) Removed(erasure string) (r ticketing.Removed, told bool, err error) {
	err = t.get("SELECT told, removed FROM erasure WHERE id = $1", []any{erasure}, &told, jsonCol{&r})
	if errors.Is(err, ticketing.ErrNotFound) {
		err = nil
	}
	return r, told, err
}

func (t *tx) PutRemoved(erasure string, r ticketing.Removed, told bool) error {
	text, err := toJSON(r)
	if err != nil {
		return err
	}
	_, err = t.exec(`INSERT INTO erasure (id, told, removed) VALUES ($1, $2, $3)
		ON CONFLICT (id) DO UPDATE SET told = excluded.told, removed = excluded.removed`, erasure, told, text)
	return err
}
