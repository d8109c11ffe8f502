-- What is taken away for good.

-- +goose Up

-- Without these each row that goes would be looked for in whole tables, for the references
-- that the schema declares.
CREATE INDEX message_raw ON message (raw) WHERE raw IS NOT NULL;
CREATE INDEX outgoing_raw ON outgoing (raw) WHERE raw IS NOT NULL;
CREATE INDEX outgoing_ticket ON outgoing (ticket, id) WHERE ticket IS NOT NULL;
CREATE INDEX message_id_message ON message_id (message);
CREATE INDEX imported_message ON imported (message);
CREATE INDEX ticket_linked ON ticket (linked) WHERE linked IS NOT NULL;
CREATE INDEX ticket_closed ON ticket (queue, closed, id) WHERE closed > 0;

-- Files of raw mail whose rows are gone: they are removed next, also after a crash.
CREATE TABLE dropped (
    hash BLOB PRIMARY KEY
) STRICT, WITHOUT ROWID;

-- Keyed digests of mail that was erased or redacted, so that it is not taken in again.
CREATE TABLE forgotten (
    digest BLOB PRIMARY KEY
) STRICT, WITHOUT ROWID;

-- What an erasure has removed so far: it may go on after a crash.
CREATE TABLE erasure (
    id       TEXT PRIMARY KEY,
    told     INTEGER NOT NULL, -- its event was appended
    removed  TEXT NOT NULL     -- JSON
) STRICT, WITHOUT ROWID;
