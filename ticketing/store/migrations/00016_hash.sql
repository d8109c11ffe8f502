-- A mail writes to few pages, and next to the one before it.

-- +goose Up

-- A hash has its place anywhere in an index: with one of all, each mail writes to a page of its
-- own. raw_hash is written for many rows together: the beginning of the hash of each raw mail up
-- to the one that the counter names. Those behind it are few, and known in memory.
CREATE TABLE raws (
    id       INTEGER PRIMARY KEY,
    hash     BLOB NOT NULL,
    size     INTEGER NOT NULL,
    encoding TEXT NOT NULL,
    body     BLOB
) STRICT;
INSERT INTO raws SELECT id, hash, size, encoding, body FROM raw ORDER BY id;
CREATE TABLE raw_hash (
    start BLOB NOT NULL,
    raw   INTEGER NOT NULL,
    PRIMARY KEY (start, raw)
) STRICT, WITHOUT ROWID;
INSERT INTO raw_hash SELECT substr(hash, 1, 6), id FROM raw ORDER BY 1, 2;
INSERT INTO counter SELECT 'raw_hash', coalesce(max(id), 0) FROM raw;
DROP TABLE raw;
ALTER TABLE raws RENAME TO raw;

-- An arrival is of one raw mail, and has its number. A message that arrived has no other raw
-- mail than that.
CREATE TABLE arrivals (
    id           INTEGER PRIMARY KEY REFERENCES raw (id),
    reverse_path TEXT NOT NULL,
    recipients   TEXT NOT NULL, -- JSON
    received     INTEGER NOT NULL,
    pending      INTEGER NOT NULL,
    attempts     INTEGER NOT NULL
) STRICT;
INSERT INTO arrivals SELECT raw, reverse_path, recipients, received, pending, attempts FROM arrival ORDER BY raw;
UPDATE message SET raw = NULL WHERE raw = (SELECT raw FROM arrival WHERE id = message.arrival);
UPDATE message SET arrival = (SELECT raw FROM arrival WHERE id = message.arrival) WHERE arrival IS NOT NULL;
DROP TABLE arrival;
ALTER TABLE arrivals RENAME TO arrival;
CREATE INDEX arrival_pending ON arrival (pending) WHERE pending = 1;
