-- +goose Up

-- The files of replies and notes; those of mail that came in are in its raw bytes.
CREATE TABLE attachment (
    id         INTEGER PRIMARY KEY,
    message    INTEGER NOT NULL REFERENCES message (id),
    raw        INTEGER NOT NULL REFERENCES raw (id),
    name       TEXT NOT NULL,
    type       TEXT NOT NULL,
    content_id TEXT NOT NULL
) STRICT;
CREATE INDEX attachment_message ON attachment (message, id);
CREATE INDEX attachment_raw ON attachment (raw);
