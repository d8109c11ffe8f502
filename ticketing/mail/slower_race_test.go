//go:build race

package mail

// slower is how much more time a test allows itself: the race detector alone makes
// searching ten times as slow.
const slower = 40
