//go:build !race

package mail

// slower is how much more time than on a machine of its own a test allows itself.
const slower = 4
