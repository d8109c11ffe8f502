-- Domains whose authors have been proven by signature.

-- +goose Up

CREATE TABLE domain (
    name         TEXT PRIMARY KEY,
    first_signed INTEGER NOT NULL,
    last_signed  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
