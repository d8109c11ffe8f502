-- What the trust table needs to remember.

-- +goose Up

-- generation is part of what each token and Message-ID of a participant says: one more, and
-- those that were given before are worth nothing.
ALTER TABLE participant ADD COLUMN generation INTEGER NOT NULL DEFAULT 0;
ALTER TABLE participant ADD COLUMN muted INTEGER NOT NULL DEFAULT 0;

ALTER TABLE message ADD COLUMN advice TEXT NOT NULL DEFAULT '';     -- what staff should do with it while it is held
ALTER TABLE message ADD COLUMN suppressed TEXT NOT NULL DEFAULT ''; -- why nothing was sent for it by machine
CREATE INDEX message_held ON message (visibility, id) WHERE visibility = 'held';

-- waiting: since when somebody waits for staff; closed: since when the ticket is out of work. 0 for neither.
ALTER TABLE ticket ADD COLUMN waiting INTEGER NOT NULL DEFAULT 0;
ALTER TABLE ticket ADD COLUMN closed INTEGER NOT NULL DEFAULT 0;
