-- What is held is found by its queue. Both indexes are of held messages and their tickets alone,
-- and have all that is asked of those which are not in the queue.

-- +goose Up

CREATE INDEX ticket_queue_held ON ticket (queue, updated, id, held) WHERE held > 0;
DROP INDEX message_held;
CREATE INDEX message_held ON message (visibility, id, ticket) WHERE visibility = 'held';
