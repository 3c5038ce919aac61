package ingest

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// A proxy in front of the daemon says whom it speaks for in a header before the
// first byte of the peer: the PROXY protocol, in words (version 1) or in bytes
// (version 2). It is believed only where it comes from an address that the
// settings name; from others it is data, and no line.
const (
	proxyWords  = "PROXY "
	proxyBytes  = "\r\n\r\n\x00\r\nQUIT\n"
	maxWords    = 107 // of version 1, by its definition
	bytesHead   = 16  // of version 2
	maxProxyLen = 2 << 10
)

// heading is what the first bytes of a trusted peer are.
type heading uint8

const (
	noHeading  heading = iota // it speaks for itself
	half                      // more is to come
	whole                     // a header, of some length
	badHeading                // it begins as one and is none
)

// readHeading tells whether b begins with a header, how long that is, and for
// whom the proxy speaks; nil where it does not say.
func readHeading(b []byte) (h heading, size int, peer net.Addr) {
	switch {
	case bytes.HasPrefix(b, []byte(proxyBytes)):
		return readByteHeading(b)
	case bytes.HasPrefix(b, []byte(proxyWords)):
		return readWordHeading(b)
	case bytes.HasPrefix([]byte(proxyBytes), b), bytes.HasPrefix([]byte(proxyWords), b):
		return half, 0, nil
	}
	return noHeading, 0, nil
}

// readWordHeading reads "PROXY TCP4 <source> <destination> <port> <port>\r\n", or
// "PROXY UNKNOWN …\r\n".
func readWordHeading(b []byte) (h heading, size int, peer net.Addr) {
	end := bytes.Index(b[:min(len(b), maxWords)], []byte("\r\n"))
	if end < 0 {
		if len(b) >= maxWords {
			return badHeading, 0, nil
		}
		return half, 0, nil
	}
	words := strings.Split(string(b[:end]), " ")
	if len(words) > 1 && words[1] == "UNKNOWN" {
		return whole, end + 2, nil
	}
	if len(words) != 6 {
		return badHeading, 0, nil
	}
	from, err1 := netip.ParseAddr(words[2])
	to, err2 := netip.ParseAddr(words[3])
	port, err3 := strconv.ParseUint(words[4], 10, 16)
	_, err4 := strconv.ParseUint(words[5], 10, 16)
	four := words[1] == "TCP4"
	if err1 != nil || err2 != nil || err3 != nil || err4 != nil || !four && words[1] != "TCP6" || from.Is4() != four || to.Is4() != four {
		return badHeading, 0, nil
	}
	return whole, end + 2, net.TCPAddrFromAddrPort(netip.AddrPortFrom(from.WithZone(""), uint16(port)))
}

// readByteHeading reads version 2: signature, version and command, family, length
// of the rest, addresses and ports, and sections that are skipped.
func readByteHeading(b []byte) (h heading, size int, peer net.Addr) {
	if len(b) < bytesHead {
		return half, 0, nil
	}
	size = bytesHead + int(binary.BigEndian.Uint16(b[14:]))
	command, family := b[12], b[13]
	if command != 0x20 && command != 0x21 || size > maxProxyLen {
		return badHeading, 0, nil
	}
	if len(b) < size {
		return half, 0, nil
	}
	rest := b[bytesHead:size]
	switch {
	case command == 0x20: // the proxy itself, as for a health check
		return whole, size, nil
	case family == 0x11 && len(rest) >= 12:
		peer = tcpAddr(rest[:4], rest[8:])
	case family == 0x21 && len(rest) >= 36:
		peer = tcpAddr(rest[:16], rest[32:])
	case family == 0x11, family == 0x21:
		return badHeading, 0, nil
	}
	return whole, size, peer
}

func tcpAddr(ip, port []byte) net.Addr {
	a, _ := netip.AddrFromSlice(ip) // four or sixteen bytes
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(a.Unmap(), binary.BigEndian.Uint16(port)))
}

// addressOf returns a peer's address without its port; invalid for peers that
// have none, as on a Unix socket.
func addressOf(a net.Addr) netip.Addr {
	switch a := a.(type) {
	case *net.TCPAddr:
		return a.AddrPort().Addr().Unmap().WithZone("")
	case *net.UDPAddr:
		return a.AddrPort().Addr().Unmap().WithZone("")
	}
	return netip.Addr{}
}

// trusts reports whether a peer may say for whom it speaks.
func (s *Server) trusts(a net.Addr) bool {
	from := addressOf(a)
	if !from.IsValid() {
		return false
	}
	for _, p := range s.opts.ProxyFrom {
		if p.Contains(from) {
			return true
		}
	}
	return false
}

// heading takes a trusted peer's header off its first bytes. It returns how many
// bytes are left, and false where the connection must end.
func (c *conn) heading(k *chunk, n int) (left int, ok bool) {
	h, size, peer := readHeading(k.buf[:n])
	switch h {
	case half:
		return n, true
	case badHeading:
		return 0, false
	case whole:
		if peer != nil {
			c.peer = peer
		}
		n = copy(k.buf[:], k.buf[size:n])
	}
	c.trusted = false
	return n, true
}
