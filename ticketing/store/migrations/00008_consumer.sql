-- +goose Up

-- A program outside that follows the feed under a name. seq is the last event that it
-- has acknowledged, or that its filter has passed over.
CREATE TABLE named_consumer (
    name    TEXT PRIMARY KEY,
    seq     INTEGER NOT NULL,
    filter  TEXT NOT NULL, -- JSON, empty for none
    created INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Events that a program could not handle. They wait until somebody plays them again.
CREATE TABLE dead_letter (
    consumer TEXT NOT NULL,
    seq      INTEGER NOT NULL,
    reason   TEXT NOT NULL,
    tries    INTEGER NOT NULL,
    at       INTEGER NOT NULL,
    PRIMARY KEY (consumer, seq)
) STRICT, WITHOUT ROWID;
