package ingest

import (
	"bytes"

	"example.com/nexusctl/protocol"
)

// speech is what a connection's first bytes say it speaks.
type speech int

const (
	undecided speech = iota // the bytes so far could become several
	lines                   // text or JSON lines
	http                    // HTTP/1.1 or HTTP/2 without TLS
	acked                   // a session that gets acknowledgements
	framed                  // four bytes of length, little endian, before each packet of lines
	foreign                 // something this port does not speak
)

var httpStarts = [][]byte{
	[]byte("GET "), []byte("POST "), []byte("PUT "), []byte("DELETE "), []byte("HEAD "),
	[]byte("OPTIONS "), []byte("PATCH "), []byte("CONNECT "), []byte("TRACE "), []byte("PRI * HTTP/2"),
}

// foreignStarts are the openings of protocols that get sent to the wrong port.
var foreignStarts = []struct {
	start []byte
	name  string
}{
	{[]byte("\x16\x03"), "TLS"},
	{[]byte("SSH-"), "SSH"},
	{[]byte("*1\r\n"), "Redis"}, {[]byte("*2\r\n"), "Redis"}, {[]byte("*3\r\n"), "Redis"},
	{[]byte("\x1f\x8b"), "gzip"},
	{[]byte("\xff\xfe"), "UTF-16 text"},
	{[]byte("\xfe\xff"), "UTF-16 text"},
}

// maxPacket bounds a framed packet, as it bounds a datagram.
const maxPacket = 64 << 10

// sniff tells what a connection speaks from its first bytes: a pure decision,
// the same however the bytes were split. name says what is foreign. Frames are
// looked for only where packets may come so, on Unix stream sockets.
func sniff(b []byte, frames bool) (s speech, name string) {
	if frames {
		if s := sniffFrame(b); s != lines {
			return s, ""
		}
	}
	open := bytes.HasPrefix([]byte(protocol.SessionStart), b)
	if bytes.HasPrefix(b, []byte(protocol.SessionStart)) {
		return acked, ""
	}
	for _, start := range httpStarts {
		switch {
		case bytes.HasPrefix(b, start):
			return http, ""
		case bytes.HasPrefix(start, b):
			open = true
		}
	}
	for _, f := range foreignStarts {
		switch {
		case bytes.HasPrefix(b, f.start):
			return foreign, f.name
		case bytes.HasPrefix(f.start, b):
			open = true
		}
	}
	if open {
		return undecided, ""
	}
	return lines, ""
}

// sniffFrame tells a length prefix from text: no line holds a NUL, and every
// permitted length has one in its upper bytes. The lower bytes tell nothing: a
// length may look like a line feed.
func sniffFrame(b []byte) speech {
	switch {
	case len(b) > 2 && b[2] > maxPacket>>16:
		return lines
	case len(b) < 4:
		return undecided
	case b[3] == 0:
		return framed
	}
	return lines
}
