//go:build !race

package desktest_test

// desks is how many run in parallel.
const desks = 100
