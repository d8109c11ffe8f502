package postfix

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
)

// This is Postfix's side of the milter protocol, version 6, as far as it takes to ask a
// filter what it would do with a mail that does not exist.

// The bits by which a filter says which steps it does not want, and which it does not answer.
const (
	noConnect = 1 << iota
	noHelo
	noMail
	noRcpt
	noBody
	noHeaders
	noEOH
	silentHeader
	noUnknown
	noData
	_ // skip
	_ // refused recipients
	silentConnect
	silentHelo
	silentMail
	silentRcpt
	silentData
	_ // unknown commands
	silentEOH
	silentBody
)

// offered are the steps that can be left out; that a filter is silent is understood.
const offered = noConnect | noHelo | noMail | noRcpt | noBody | noHeaders | noEOH | silentHeader | noUnknown | noData |
	silentConnect | silentHelo | silentMail | silentRcpt | silentData | silentEOH | silentBody

// sample is a mail for a filter to look at.
type sample struct {
	client, from, to string
	login            string // empty: from outside
	daemon           string // {daemon_name}
	fields           [][2]string
	body             string
}

// changes are what a filter would do to a mail.
type changes struct {
	verdict byte // 'c' or 'a': it passes
	body    bool
	header  []string    // names of fields that it would change or take out
	added   [][2]string // fields
	above   bool        // its results stand above Postfix's own Received field
}

type milter struct {
	conn  io.Writer
	r     *bufio.Reader
	steps uint32  // what it does not want, or does not answer
	found changes // so far; the dialogue ends with a verdict
}

// ask plays the whole of a mail, and takes it back.
func (m *milter) ask(host string, s sample) (changes, error) {
	if err := m.negotiate(); err != nil {
		return changes{}, err
	}
	from := []string{"i", "postdesk", "{mail_addr}", s.from}
	if s.login != "" {
		from = append(from, "{auth_type}", "PLAIN", "{auth_authen}", s.login)
	}
	const port = "\xea\x60"
	err := errors.Join(
		m.step(noConnect, silentConnect, 'C', s.client+"\x004"+port+s.client+"\x00", "j", host, "{daemon_name}", s.daemon, "v", "Postfix"),
		m.step(noHelo, silentHelo, 'H', "outside.example\x00"),
		m.step(noMail, silentMail, 'M', "<"+s.from+">\x00", from...),
		m.step(noRcpt, silentRcpt, 'R', "<"+s.to+">\x00", "{rcpt_addr}", s.to),
		m.step(noData, silentData, 'T', "", "i", "postdesk"),
	)
	for _, f := range s.fields {
		err = errors.Join(err, m.step(noHeaders, silentHeader, 'L', f[0]+"\x00"+f[1]+"\x00"))
	}
	err = errors.Join(err, m.step(noEOH, silentEOH, 'N', ""), m.step(noBody, silentBody, 'B', s.body), m.step(0, 0, 'E', "", "i", "postdesk"))
	_ = m.send('A', "")
	_ = m.send('Q', "")
	return m.found, err
}

// step sends a command, unless the filter does not want it or has decided already, and
// reads what it says to it.
func (m *milter) step(skip, silent uint32, command byte, data string, macros ...string) error {
	if m.found.verdict != 0 || skip != 0 && m.steps&skip != 0 {
		return nil
	}
	if len(macros) > 0 {
		if err := m.send('D', string(command)+strings.Join(macros, "\x00")+"\x00"); err != nil {
			return err
		}
	}
	if err := m.send(command, data); err != nil {
		return err
	}
	if silent != 0 && m.steps&silent != 0 {
		return nil
	}
	for {
		code, data, err := m.receive()
		if err != nil {
			return err
		}
		switch {
		case code == 'p': // it works
		case code == 'c' && command != 'E' || code == 's':
			return nil
		case strings.IndexByte("cartdy4", code) >= 0:
			m.found.verdict = code
			return nil
		default:
			m.found.take(code, data)
		}
	}
}

// take notes a modification.
func (c *changes) take(code byte, data []byte) {
	at := uint32(1)
	if (code == 'i' || code == 'm') && len(data) >= 4 {
		at, data = binary.BigEndian.Uint32(data), data[4:]
	}
	name, value, _ := bytes.Cut(data, []byte{0})
	field := [2]string{string(name), string(bytes.TrimRight(value, "\x00"))}
	switch code {
	case 'b':
		c.body = true
	case 'm':
		c.header = append(c.header, field[0])
	case 'i', 'h':
		c.added = append(c.added, field)
		if strings.EqualFold(field[0], resultsField) {
			c.above = code == 'i' && at == 0
		}
	}
}

func (m *milter) negotiate() error {
	var b []byte
	for _, v := range []uint32{6, 0x1ff, offered} { // version, all modifications, steps
		b = binary.BigEndian.AppendUint32(b, v)
	}
	if err := m.send('O', string(b)); err != nil {
		return err
	}
	code, data, err := m.receive()
	if err != nil {
		return err
	}
	if code != 'O' || len(data) < 12 {
		return fmt.Errorf("it answers %q to the first question of the milter protocol", code)
	}
	m.steps = binary.BigEndian.Uint32(data[8:])
	return nil
}

func (m *milter) send(command byte, data string) error {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(data)+1))
	_, err := m.conn.Write(append(append(b, command), data...))
	return err
}

func (m *milter) receive() (code byte, data []byte, err error) {
	var n uint32
	if err := binary.Read(m.r, binary.BigEndian, &n); err != nil {
		return 0, nil, err
	}
	if n < 1 || n > 1<<20 {
		return 0, nil, fmt.Errorf("a packet of %d octets", n)
	}
	data = make([]byte, n)
	if _, err := io.ReadFull(m.r, data); err != nil {
		return 0, nil, err
	}
	return data[0], data[1:], nil
}
