-- Files on their way into a reply, brought as a stream before it.

-- +goose Up

CREATE TABLE upload (
    id      INTEGER PRIMARY KEY,
    secret  TEXT NOT NULL UNIQUE, -- names it to whoever brought it, and to nobody else
    owner   TEXT NOT NULL,
    raw     INTEGER NOT NULL REFERENCES raw (id),
    name    TEXT NOT NULL,
    type    TEXT NOT NULL,
    created INTEGER NOT NULL
) STRICT;
CREATE INDEX upload_created ON upload (created);
CREATE INDEX upload_raw ON upload (raw);
