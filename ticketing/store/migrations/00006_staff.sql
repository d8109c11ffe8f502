-- Staff who work by mail, and what they do to tickets.

-- +goose Up

ALTER TABLE ticket ADD COLUMN priority TEXT NOT NULL DEFAULT 'normal';
ALTER TABLE ticket ADD COLUMN tags TEXT NOT NULL DEFAULT ''; -- JSON, empty for none

-- since: the newest event when the person became known; nobody is told of what was before.
CREATE TABLE member (
    id    INTEGER PRIMARY KEY,
    name  TEXT NOT NULL UNIQUE,
    since INTEGER NOT NULL
) STRICT;

-- Who wants to hear no more of a ticket.
CREATE TABLE mute (
    ticket INTEGER NOT NULL REFERENCES ticket (id),
    member INTEGER NOT NULL REFERENCES member (id),
    PRIMARY KEY (ticket, member)
) STRICT, WITHOUT ROWID;

-- Mail to staff: told once of one thing.
CREATE UNIQUE INDEX outgoing_notice ON outgoing (envelope_id) WHERE message IS NULL AND envelope_id <> '';
