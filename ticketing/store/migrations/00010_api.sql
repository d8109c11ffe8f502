-- What programs outside need: tokens for some queues, numbers of other systems, and the
-- newest event of a ticket that a person must know.

-- +goose Up

ALTER TABLE token ADD COLUMN queues TEXT NOT NULL DEFAULT ''; -- JSON, empty for every queue

ALTER TABLE ticket ADD COLUMN version INTEGER NOT NULL DEFAULT 0;
UPDATE ticket SET version = last_seq;

CREATE TABLE reference (
    ref    TEXT PRIMARY KEY,
    ticket INTEGER NOT NULL REFERENCES ticket (id)
) STRICT, WITHOUT ROWID;
CREATE INDEX reference_ticket ON reference (ticket, ref);
