//go:build !race

package ticketing_test

// hostileRounds of 500 hostile mails are 10,000.
const hostileRounds = 20

// malformedMails is how many mails of a batch are damaged.
const malformedMails = 2000
