package lmtp

import (
	"errors"
	"net"
	"slices"
	"sync"

	"github.com/coreos/go-systemd/v22/activation"
)

// Inherited are the sockets that systemd has opened for us and keeps open over our
// restarts (systemd.socket(5)), until each is taken. nil has none.
type Inherited struct {
	mu      sync.Mutex
	sockets []inheritedSocket
}

type inheritedSocket struct {
	name string
	net.Listener
}

// Inherit takes over what systemd has passed to this process (sd_listen_fds(3)). It can
// be called once.
func Inherit() *Inherited {
	in := &Inherited{}
	for _, f := range activation.Files(true) {
		if l, err := net.FileListener(f); err == nil {
			in.sockets = append(in.sockets, inheritedSocket{f.Name(), l})
		}
		f.Close() // a listener has its own
	}
	return in
}

// Take gives the socket of network "unix" or "tcp" at an address, nil when there is none.
func (in *Inherited) Take(network, address string) net.Listener {
	if tcp, err := net.ResolveTCPAddr("tcp", address); network == "tcp" && err == nil {
		address = tcp.String()
	}
	return in.take(func(s inheritedSocket) bool { return s.Addr().Network() == network && s.Addr().String() == address })
}

// named gives the socket of a name (FileDescriptorName=), for the empty one any.
func (in *Inherited) named(name string) (net.Listener, error) {
	if l := in.take(func(s inheritedSocket) bool { return name == "" || s.name == name }); l != nil {
		return l, nil
	}
	return nil, errors.New("systemd has handed over no such socket; is the .socket unit enabled?")
}

func (in *Inherited) take(is func(inheritedSocket) bool) net.Listener {
	if in == nil {
		return nil
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	i := slices.IndexFunc(in.sockets, is)
	if i < 0 {
		return nil
	}
	l := in.sockets[i].Listener
	in.sockets = slices.Delete(in.sockets, i, i+1)
	return l
}

// Left names what nobody has taken: a socket on which nobody answers.
func (in *Inherited) Left() (addresses []string) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, s := range in.sockets {
		addresses = append(addresses, s.name+" "+s.Addr().String())
	}
	return addresses
}
