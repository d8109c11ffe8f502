//go:build race

package ticketing_test

// hostileRounds: the race detector makes each mail five times as slow, and make test runs
// all of them without it.
const hostileRounds = 3

// malformedMails is fewer: the race detector makes each of them slow.
const malformedMails = 200
