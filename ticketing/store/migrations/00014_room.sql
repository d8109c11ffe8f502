-- The same in less room.

-- +goose Up

-- An entry of an index ends with the number of its row, by which it is sorted last.
DROP INDEX message_ticket;
CREATE INDEX message_ticket ON message (ticket);
DROP INDEX message_arrival;
CREATE INDEX message_arrival ON message (arrival) WHERE arrival IS NOT NULL;
DROP INDEX event_ticket;
CREATE INDEX event_ticket ON event (ticket) WHERE ticket IS NOT NULL;
DROP INDEX ticket_status;
CREATE INDEX ticket_status ON ticket (status, updated);
DROP INDEX ticket_queue_status;
CREATE INDEX ticket_queue_status ON ticket (queue, status, updated);

-- A digest as octets, which are half of its digits, and found by the first of them. NULL for none.
ALTER TABLE message ADD COLUMN folded BLOB;
UPDATE message SET folded = coalesce(unhex(fold), CAST(fold AS BLOB)) WHERE fold <> '';
DROP INDEX message_fold;
ALTER TABLE message DROP COLUMN fold;
ALTER TABLE message RENAME COLUMN folded TO fold;
CREATE INDEX message_fold ON message (substr(fold, 1, 8)) WHERE fold IS NOT NULL;

-- A ticket has few participants: an address is looked for among them.
CREATE TABLE participants (
    id         INTEGER PRIMARY KEY,
    ticket     INTEGER NOT NULL REFERENCES ticket (id),
    address    TEXT NOT NULL,
    name       TEXT NOT NULL,
    role       TEXT NOT NULL,
    generation INTEGER NOT NULL,
    muted      INTEGER NOT NULL
) STRICT;
INSERT INTO participants SELECT id, ticket, address, name, role, generation, muted FROM participant;
DROP TABLE participant;
ALTER TABLE participants RENAME TO participant;
CREATE INDEX participant_ticket ON participant (ticket);

-- What a message or a mail of it is called leads to these rows, so that no index must. They
-- go with the message; verify looks for any that did not.
CREATE TABLE message_ids (
    digest  BLOB NOT NULL,
    ticket  INTEGER NOT NULL,
    message INTEGER NOT NULL,
    PRIMARY KEY (digest, ticket)
) STRICT, WITHOUT ROWID;
INSERT INTO message_ids SELECT digest, ticket, message FROM message_id;
DROP TABLE message_id;
ALTER TABLE message_ids RENAME TO message_id;
