-- The same mail that comes again has the Message-ID that it had. Reports alone are not found by
-- theirs: with an index for all, each mail writes to a page anywhere in it.

-- +goose Up

DROP INDEX message_fold;
CREATE INDEX message_fold ON message (substr(fold, 1, 8)) WHERE kind = 'report' AND fold IS NOT NULL;
