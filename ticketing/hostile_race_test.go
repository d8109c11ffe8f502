//go:build race

package ticketing_test

// hostileRounds: the race detector makes each mail five times as slow, and make test runs
// all of them without it.
const hostileRounds = 3
