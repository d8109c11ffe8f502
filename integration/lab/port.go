package lab

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
)

func (l *Lab) ports(o Options) (err error) {
	if l.MXPort, err = l.port(o.MXPort); err != nil {
		return err
	}
	l.SubmissionPort, err = l.port(o.SubmissionPort)
	return err
}

// Port gives a port of 127.0.0.1 that nobody else is given until the lab stops.
func (l *Lab) Port() (int, error) { return l.port(0) }

// port is ours until the lab stops, also while nobody listens there: before the first start of
// who will, and while they are down.
func (l *Lab) port(want int) (int, error) {
	p, held, err := port(want)
	if err == nil {
		l.held = append(l.held, held)
	}
	return p, err
}

// port gives a free port below the range that the kernel takes for outgoing
// connections, or says that the wanted one is taken. No other lab of this machine is given the
// same one until it is closed: a name that a socket has in no folder is gone with its process.
func port(want int) (p int, held io.Closer, err error) {
	for range 100 {
		p = want
		if p == 0 {
			p = 10000 + rand.IntN(20000)
		}
		mark, err := net.Listen("unix", fmt.Sprintf("@postdesk-lab-port-%d", p))
		if err != nil && want == 0 {
			continue
		}
		if err == nil {
			var ln net.Listener
			if ln, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", p)); err == nil {
				return p, mark, ln.Close()
			}
			_ = mark.Close()
		}
		if want != 0 {
			return 0, nil, fmt.Errorf("port %d on 127.0.0.1 is in the way: %w; who has it: ss -ltnp 'sport = :%[1]d'", want, err)
		}
	}
	return 0, nil, fmt.Errorf("no free port on 127.0.0.1")
}
