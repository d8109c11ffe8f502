package mail

import (
	"strings"
	"time"
)

// ReceivedAt is when the last server took the mail: the date of the topmost Received
// field (RFC 5321 section 4.4), zero when there is none that can be read.
func (m *Message) ReceivedAt() time.Time {
	for _, v := range m.Header("Received") {
		if i := strings.LastIndexByte(v, ';'); i >= 0 {
			return parseDate(v[i+1:])
		}
	}
	return time.Time{}
}
