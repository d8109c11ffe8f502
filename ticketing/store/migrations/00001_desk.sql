-- Times are microseconds since 1970, UTC. Truth is 0 or 1. A reference to nothing is NULL.
-- Every list that is read in pages has an index in the order of its pages.

-- +goose Up

-- Event sequence and ticket numbers. A counter row, not a database sequence, so that
-- numbers become visible in their order and a number that was rolled back is not missing.
CREATE TABLE counter (
    name  TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO counter (name, value) VALUES ('event', 0);

-- body is last: what is before it is read without touching it.
CREATE TABLE raw (
    id       INTEGER PRIMARY KEY,
    hash     BLOB NOT NULL UNIQUE,
    size     INTEGER NOT NULL,
    encoding TEXT NOT NULL,
    body     BLOB
) STRICT;

CREATE TABLE arrival (
    id           INTEGER PRIMARY KEY,
    raw          INTEGER NOT NULL UNIQUE REFERENCES raw (id),
    reverse_path TEXT NOT NULL,
    recipients   TEXT NOT NULL, -- JSON
    received     INTEGER NOT NULL,
    pending      INTEGER NOT NULL,
    attempts     INTEGER NOT NULL
) STRICT;
CREATE INDEX arrival_pending ON arrival (pending, id) WHERE pending = 1;

CREATE TABLE ticket (
    id             INTEGER PRIMARY KEY,
    queue          TEXT NOT NULL,
    number         INTEGER NOT NULL,
    subject        TEXT NOT NULL,
    status         TEXT NOT NULL,
    requester      TEXT NOT NULL,
    requester_name TEXT NOT NULL,
    assignee       TEXT NOT NULL,
    unverified     INTEGER NOT NULL,
    suspicious     INTEGER NOT NULL,
    held           INTEGER NOT NULL,
    linked         INTEGER REFERENCES ticket (id),
    last_seq       INTEGER NOT NULL,
    created        INTEGER NOT NULL,
    updated        INTEGER NOT NULL,
    UNIQUE (queue, number)
) STRICT;
CREATE INDEX ticket_status ON ticket (status, updated, id);
CREATE INDEX ticket_queue_status ON ticket (queue, status, updated, id);
CREATE INDEX ticket_held ON ticket (updated, id) WHERE held > 0;

CREATE TABLE message (
    id             INTEGER PRIMARY KEY,
    ticket         INTEGER NOT NULL REFERENCES ticket (id),
    kind           TEXT NOT NULL,
    visibility     TEXT NOT NULL,
    trust_row      TEXT NOT NULL,
    reason         TEXT NOT NULL,
    from_name      TEXT NOT NULL,
    from_address   TEXT NOT NULL,
    subject        TEXT NOT NULL,
    message_id     TEXT NOT NULL,
    raw            INTEGER REFERENCES raw (id),
    arrival        INTEGER REFERENCES arrival (id),
    actor          TEXT NOT NULL,
    body           TEXT NOT NULL,
    authentication TEXT NOT NULL, -- JSON, empty for the zero value
    automatic      INTEGER NOT NULL,
    problems       TEXT NOT NULL, -- JSON, empty for none
    fold           TEXT NOT NULL,
    seq            INTEGER NOT NULL,
    received       INTEGER NOT NULL
) STRICT;
CREATE INDEX message_ticket ON message (ticket, id);
CREATE INDEX message_arrival ON message (arrival, id) WHERE arrival IS NOT NULL;
CREATE INDEX message_fold ON message (fold, id) WHERE fold <> '';
CREATE INDEX message_undecided ON message (id) WHERE trust_row = '7';

-- digest is of the msg-id: short, and of one length however long a sender made the id.
CREATE TABLE message_id (
    digest  BLOB NOT NULL,
    ticket  INTEGER NOT NULL REFERENCES ticket (id),
    message INTEGER NOT NULL REFERENCES message (id),
    PRIMARY KEY (digest, ticket)
) STRICT, WITHOUT ROWID;

CREATE TABLE participant (
    id      INTEGER PRIMARY KEY,
    ticket  INTEGER NOT NULL REFERENCES ticket (id),
    address TEXT NOT NULL,
    name    TEXT NOT NULL,
    role    TEXT NOT NULL,
    UNIQUE (ticket, address)
) STRICT;

CREATE TABLE event (
    seq      INTEGER PRIMARY KEY,
    time     INTEGER NOT NULL,
    type     TEXT NOT NULL,
    ticket   INTEGER REFERENCES ticket (id),
    message  INTEGER,
    outgoing INTEGER,
    actor    TEXT NOT NULL,
    origin   TEXT NOT NULL,
    facts    TEXT NOT NULL -- JSON, empty for none
) STRICT;
CREATE INDEX event_ticket ON event (ticket, seq) WHERE ticket IS NOT NULL;

CREATE TABLE consumer (
    name TEXT PRIMARY KEY,
    seq  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE outgoing (
    id           INTEGER PRIMARY KEY,
    ticket       INTEGER REFERENCES ticket (id),
    message      INTEGER REFERENCES message (id),
    recipient    TEXT NOT NULL,
    reverse_path TEXT NOT NULL,
    message_id   TEXT NOT NULL,
    envelope_id  TEXT NOT NULL,
    raw          INTEGER REFERENCES raw (id),
    state        TEXT NOT NULL,
    attempts     INTEGER NOT NULL,
    next_attempt INTEGER NOT NULL,
    lease        INTEGER NOT NULL,
    last_reply   TEXT NOT NULL,
    queue_id     TEXT NOT NULL,
    created      INTEGER NOT NULL
) STRICT;
CREATE INDEX outgoing_due ON outgoing (state, next_attempt, id);
CREATE INDEX outgoing_state ON outgoing (state, id);
CREATE INDEX outgoing_message ON outgoing (message, id) WHERE message IS NOT NULL;
CREATE INDEX outgoing_recipient ON outgoing (recipient, created);
CREATE INDEX outgoing_created ON outgoing (created);

CREATE TABLE idempotent (
    scope   TEXT NOT NULL,
    key     TEXT NOT NULL,
    request BLOB NOT NULL,
    result  INTEGER NOT NULL,
    at      INTEGER NOT NULL,
    PRIMARY KEY (scope, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE token (
    id      INTEGER PRIMARY KEY,
    name    TEXT NOT NULL,
    hash    BLOB NOT NULL UNIQUE,
    program INTEGER NOT NULL,
    scope   TEXT NOT NULL,
    created INTEGER NOT NULL
) STRICT;

CREATE TABLE hmac_key (
    id      INTEGER PRIMARY KEY,
    secret  BLOB NOT NULL,
    created INTEGER NOT NULL
) STRICT;
