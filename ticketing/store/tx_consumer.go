package store

import "postdesk/ticketing"

const selectConsumer = "SELECT name, seq, filter, created FROM named_consumer"

func scanConsumer(r row, c *ticketing.Consumer) error {
	return r.Scan(&c.Name, &c.Seq, jsonCol{&c.Filter}, timeCol{&c.Created})
}

func (t *tx) PutConsumer(c ticketing.Consumer) error {
	filter, err := toJSON(c.Filter)
	if err != nil {
		return err
	}
	_, err = t.exec(`INSERT INTO named_consumer (name, seq, filter, created) VALUES ($1, $2, $3, $4)
		ON CONFLICT (name) DO UPDATE SET seq = excluded.seq, filter = excluded.filter`, c.Name, c.Seq, filter, c.Created)
	return err
}

func (t *tx) Consumer(name string) (ticketing.Consumer, error) {
	return one(t, scanConsumer, selectConsumer+" WHERE name = $1", name)
}

func (t *tx) Consumers() ([]ticketing.Consumer, error) {
	return list(t, scanConsumer, selectConsumer+" ORDER BY name")
}

func (t *tx) RemoveConsumer(name string) error {
	if _, err := t.exec("DELETE FROM dead_letter WHERE consumer = $1", name); err != nil {
		return err
	}
	return t.change("DELETE FROM named_consumer WHERE name = $1", name)
}

func (t *tx) PutDeadLetter(l ticketing.DeadLetter) error {
	_, err := t.exec(`INSERT INTO dead_letter (consumer, seq, reason, tries, at) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (consumer, seq) DO UPDATE SET reason = excluded.reason, tries = excluded.tries, at = excluded.at`,
		l.Consumer, l.Seq, l.Reason, l.Tries, l.At)
	return err
}

func (t *tx) DeadLetters(consumer string, after int64, limit int) ([]ticketing.DeadLetter, error) {
	return list(t, func(r row, l *ticketing.DeadLetter) error {
		return r.Scan(&l.Consumer, &l.Seq, &l.Reason, &l.Tries, timeCol{&l.At})
	}, "SELECT consumer, seq, reason, tries, at FROM dead_letter WHERE consumer = $1 AND seq > $2 ORDER BY seq LIMIT $3", consumer, after, atMost(limit))
}

func (t *tx) RemoveDeadLetter(consumer string, seq int64) error {
	return t.change("DELETE FROM dead_letter WHERE consumer = $1 AND seq = $2", consumer, seq)
}
