// Package integration holds the tests of the whole: the real agent behind a real
// Postfix, with a DNS server, a signer and an outside world on loopback.
package integration
