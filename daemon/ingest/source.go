package ingest

import (
	"net"
	"net/netip"

	"example.com/nexusctl/daemon/admit"
)

// listenerName names a listener for people: "tcp 127.0.0.1:8080".
func listenerName(a net.Addr) string {
	if a == nil {
		return ""
	}
	return a.Network() + " " + a.String()
}

// sourceOf names whom something is from: the listener, by the address on this side,
// and the peer's address without its port, so that one who connects again and again is
// one.
func sourceOf(local, peer net.Addr) admit.Source {
	s := admit.Source{Listener: listenerName(local)}
	if a := addressOf(peer); a.IsValid() {
		s.Address = a.String()
	}
	return s
}

// networkOf is what the limit of one address counts by: of IPv6 the network of 64
// bits, all of which one client has. The zero address is a peer that has none.
func networkOf(a net.Addr) netip.Addr {
	from := addressOf(a)
	if !from.Is6() {
		return from
	}
	p, _ := from.WithZone("").Prefix(64) // of an IPv6 address there is one
	return p.Addr()
}
