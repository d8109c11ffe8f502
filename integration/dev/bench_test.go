package dev_test

import (
	"testing"

	"postdesk/integration/dev"
)

func BenchmarkStart(b *testing.B) {
	for b.Loop() {
		d, err := dev.Start(b.Context(), dev.Options{})
		if err != nil {
			b.Fatal(err)
		}
		if err := d.Stop(); err != nil {
			b.Fatal(err)
		}
	}
}
