-- +goose Up

-- Numbers that tickets had in another desk.
CREATE TABLE alias (
    name   TEXT NOT NULL,
    ticket INTEGER NOT NULL REFERENCES ticket (id),
    PRIMARY KEY (name, ticket)
) STRICT, WITHOUT ROWID;
CREATE INDEX alias_ticket ON alias (ticket, name);

-- Mail that was imported, so that it is not imported again. key is a digest of what a
-- mail is wherever it lies.
CREATE TABLE imported (
    queue   TEXT NOT NULL,
    key     BLOB NOT NULL,
    message INTEGER NOT NULL REFERENCES message (id),
    PRIMARY KEY (queue, key)
) STRICT, WITHOUT ROWID;
