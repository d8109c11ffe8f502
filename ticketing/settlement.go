package ticketing

import "time"

// Settlement is how the submission of one outgoing mail ended.
type Settlement struct {
	Outgoing    int64         // the mail
	State       OutgoingState // submitted, failed, or queued: try again at NextAttempt
	Reply       string        // what the server said, or the fault in words
	QueueID     string        // Postfix's, when it was submitted
	NextAttempt time.Time
	Untried     bool // it was not tried after all: it is as it was before it was claimed
}
