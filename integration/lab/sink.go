package lab

import (
	"net"

	"postdesk/integration/sink"
)

// Sink is the mail server of the whole outside world, and Mail what it received.
type (
	Sink = sink.Sink
	Mail = sink.Mail
)

func startSink(dsn bool) (*Sink, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	return sink.Start(l, dsn), nil
}

// To fits mail to one address.
func To(address string) func(Mail) bool { return sink.To(address) }
