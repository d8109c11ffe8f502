-- What a delivery report says of a mail of ours.

-- +goose Up

ALTER TABLE outgoing ADD COLUMN status TEXT NOT NULL DEFAULT '';        -- enhanced status code, empty for none
ALTER TABLE outgoing ADD COLUMN permanent INTEGER NOT NULL DEFAULT 0;   -- trying again is of no use
ALTER TABLE outgoing ADD COLUMN resubmitted INTEGER NOT NULL DEFAULT 0; -- how often it went out again after a report
