// Package mutants tests the tests: with a fault put into one file on purpose, the test that
// is there for it must fail, and say why.
package mutants
