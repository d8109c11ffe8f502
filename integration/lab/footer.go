package lab

import (
	"encoding/binary"
	"io"
	"net"
)

// Footer is a filter as some sites have it: a milter that puts a footer below each text, and
// writes what it has verified as mx.example.
type Footer struct {
	Port int
	ln   net.Listener
}

// StartFooter starts it on loopback.
func StartFooter() (*Footer, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go answer(c)
		}
	}()
	return &Footer{ln.Addr().(*net.TCPAddr).Port, ln}, nil
}

// Stop ends it.
func (f *Footer) Stop() { _ = f.ln.Close() }

// answer speaks the filter's side of the milter protocol.
func answer(c net.Conn) {
	defer func() { _ = c.Close() }()
	send := func(code byte, data string) {
		packet := append(binary.BigEndian.AppendUint32(nil, uint32(1+len(data))), code)
		_, _ = c.Write(append(packet, data...))
	}
	for {
		var n uint32
		if binary.Read(c, binary.BigEndian, &n) != nil {
			return
		}
		packet := make([]byte, n)
		if _, err := io.ReadFull(c, packet); err != nil {
			return
		}
		switch packet[0] {
		case 'O': // version 6; it adds fields and changes the body; it wants each step
			send('O', "\x00\x00\x00\x06\x00\x00\x00\x03\x00\x00\x00\x00")
		case 'E':
			send('i', "\x00\x00\x00\x00Authentication-Results\x00mx.example; none\x00")
			send('b', "text\r\n-- \r\nfooter\r\n")
			send('c', "")
		case 'D', 'A', 'Q':
		default:
			send('c', "")
		}
	}
}
