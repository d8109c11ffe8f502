//go:build race

package desktest_test

// desks is how many run in parallel; the race detector makes SQLite ten times slower.
const desks = 25
