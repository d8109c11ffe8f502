package mail

import (
	"strings"
	"testing"
)

func BenchmarkIntake(b *testing.B) {
	for name, size := range map[string]int{"2KB": 2 << 10, "20KB": 20 << 10, "1MB": 1 << 20} {
		raw := []byte("From: Jo <jo@customer.example>\r\nTo: new@desk.example\r\nSubject: x\r\nMessage-ID: <a@b>\r\n\r\n" +
			strings.Repeat("A line of text as people write it, not too long.\r\n", size/50))
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			for b.Loop() {
				Intake(raw)
			}
		})
	}
}
