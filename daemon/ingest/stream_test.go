package ingest

import (
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"syscall"
	"testing"

	"pgregory.net/rapid"

	"example.com/nexusctl/protocol"
)

// openings are first bytes, with what they are on a TCP port and on a Unix
// stream socket.
var openings = []struct {
	bytes      string
	tcp, frame speech
}{
	{"", undecided, undecided},
	{"a", lines, undecided}, // four bytes of length, perhaps
	{"a:1|c\n", lines, lines},
	{"\n", lines, undecided},
	{"\n\n\n\n", lines, lines},
	{"a\n", lines, undecided},
	{`{"name":"a"}`, lines, lines},
	{"G", undecided, undecided},
	{"GET", undecided, undecided},
	{"GET ", http, http},
	{"GET:1|c\n", lines, lines},
	{"GETTING:1|c\n", lines, lines},
	{"POST /metrics HTTP/1.1\r\n", http, http},
	{"PUT /", http, http}, {"DELETE /", http, http}, {"HEAD /", http, http}, {"OPTIONS *", http, http},
	{"PATCH /", http, http}, {"CONNECT x", http, http}, {"TRACE /", http, http},
	{"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", http, http},
	{"PRI * HTTP/", undecided, undecided},
	{"P", undecided, undecided},
	{"PU", undecided, undecided},
	{"PX:1|c", lines, lines},
	{"get / HTTP/1.1\r\n", lines, lines},
	{"\x16\x03\x01\x02\x00\x01\x00", foreign, foreign},
	{"\x16", undecided, undecided},
	{"\x16\x04", lines, undecided},
	{"HE", undecided, undecided}, {"HEL", undecided, undecided}, {"HEX:1|c", lines, lines},
	{"SSH-2.0-OpenSSH\r\n", foreign, foreign},
	{"SSH", undecided, undecided},
	{"SSH:1|c", lines, lines},
	{"*1\r\n$4\r\nPING\r\n", foreign, foreign},
	{"*1", undecided, undecided},
	{"\x1f\x8b\x08\x00", foreign, foreign}, // no packet is 0x088b1f bytes long
	{"\xff\xfea\x00", foreign, foreign},
	{"\xfe\xff\x00a", foreign, foreign},
	{"\x06\x00\x00\x00a:1|c\n", lines, framed},
	{"\x0a\x00\x00\x00a:1234|c|#", lines, framed}, // its length begins with a line feed
	{"\x00\x0a\x00\x00", lines, framed},
	{"\x00\x00\x00\x00", lines, framed},
	{"\x00\x00\x01\x00", lines, framed}, // 65536, the most
	{"\x00\x00\x02\x00", lines, lines},
}

func TestSniff(t *testing.T) {
	for _, o := range openings {
		for frames, want := range map[bool]speech{false: o.tcp, true: o.frame} {
			if got, name := sniff([]byte(o.bytes), frames); got != want || (got == foreign) != (name != "") {
				t.Errorf("%q (frames %v) is %d %q, want %d", o.bytes, frames, got, name, want)
			}
		}
	}
}

// steady holds a decision to what shorter beginnings of the same bytes said:
// once they say anything, all longer ones say the same.
func steady(b []byte, frames bool) error {
	last, lastName := undecided, ""
	for n := range len(b) + 1 {
		s, name := sniff(b[:n], frames)
		if last != undecided && (s != last || name != lastName) {
			return fmt.Errorf("%q (frames %v): %d %q after %d bytes, %d %q after %d", b[:n], frames, last, lastName, n-1, s, name, n)
		}
		last, lastName = s, name
	}
	return nil
}

func TestSniffAtEveryPrefix(t *testing.T) {
	for _, o := range openings {
		for _, frames := range []bool{false, true} {
			if err := steady([]byte(o.bytes+" and whatever\nfollows"), frames); err != nil {
				t.Error(err)
			}
		}
	}
	for size := range 70_000 { // every length that a packet may have, and some more
		if err := steady(binary.LittleEndian.AppendUint32(nil, uint32(size)), true); err != nil {
			t.Fatal(err)
		}
	}
}

func FuzzSniff(f *testing.F) {
	for _, o := range openings {
		f.Add([]byte(o.bytes), false)
		f.Add([]byte(o.bytes), true)
	}
	f.Fuzz(func(t *testing.T, b []byte, frames bool) {
		if err := steady(b[:min(len(b), 64)], frames); err != nil {
			t.Error(err)
		}
	})
}

const shortLine = 40

func long(n int) string { return "long:" + strings.Repeat("1", n-len("long:|c")) + "|c" }

// lineStreams are streams of lines; cutting them anywhere changes nothing.
var lineStreams = []string{
	"a:1|c\nb:2|c\nc:3|c",
	"a:1|c\r\nb:2|c\r\n\r\n\n\r\nc:3|c\r\n",
	"a:1|c\r",
	"GE:1|c\nGET:2|c\n",
	"G", "SSH", "*1\nx:1|c\n", "P\n",
	"\n\n\n", "\r\n",
	"a:1|c\n" + long(shortLine) + "\nb:1|c\n",
	"a:1|c\n" + long(shortLine) + "\r\nb:1|c\n",
	"a:1|c\n" + long(shortLine+1) + "\nb:1|c\n",
	"a:1|c\n" + long(shortLine+1) + "\r\nb:1|c\n",
	"a:1|c\n" + long(shortLine+2) + "\nb:1|c\n",
	long(shortLine) + "\r", long(shortLine + 1), long(shortLine+1) + "\r", long(shortLine + 2), long(5 * shortLine),
	long(5*shortLine) + "\n" + long(3*shortLine) + "\r\n" + long(2*shortLine),
	long(3*shortLine) + "\n\nb:1|c\n" + long(3*shortLine) + "\n",
	"\xff\x00:1|c\n\x80\n" + `{"name":"a","value":1}` + "\n" + `{"name":`,
	"no line\n_e{1,1}:a|b\n::\n||\n",
}

func packet(payload string) string {
	return string(binary.LittleEndian.AppendUint32(nil, uint32(len(payload)))) + payload
}

// frameStreams are streams on a Unix socket, framed or not.
var frameStreams = []string{
	packet("a:1|c\nb:2|c\n") + packet("c:3|c") + packet("") + packet("\n") + packet("d:4|c\r\n"),
	packet("a:12345|c\n") + packet("a:1|c|#kk\n"), // ten bytes: the length is a line feed
	packet("") + packet("") + packet("a:1|c"),
	packet(strings.Repeat("a:1|c\n", 5) + long(shortLine)),
	packet(long(shortLine+1)) + packet("b:1|c"),
	packet(long(shortLine+9)) + packet("b:1|c"),
	packet("a:1|c")[:6], packet("a:1|c")[:3], packet("a:1|c") + "\x05", packet("a:1|c") + packet("b:1|c")[:8],
	packet("a:1|c") + "\x01\x00\x01\x00" + "b:1|c\n", // a packet too large
	"a:1|c\nb:2|c\n", "\n\na:1|c\n", "a\n", "x",
	"GE:1|c\n",
}

// model says what a stream of lines comes to, at hand in one piece.
func model(s string, maxLine int) (lines []string, tooLong int) {
	for line := range strings.SplitSeq(s, "\n") {
		line = strings.TrimSuffix(line, "\r")
		switch {
		case len(line) > maxLine:
			tooLong++
		case line != "":
			lines = append(lines, line)
		}
	}
	return lines, tooLong
}

func (got taken) diff(want taken) error {
	if !slices.Equal(got.lines, want.lines) || !maps.Equal(got.refused, want.refused) {
		return fmt.Errorf("lines %q, refused %v; want %q, %v", got.lines, got.refused, want.lines, want.refused)
	}
	return nil
}

// TestStreamsAgreeWithTheModel reads each stream in one piece.
func TestStreamsAgreeWithTheModel(t *testing.T) {
	for _, s := range lineStreams {
		got, said := stream([][]byte{[]byte(s)}, shortLine, false, io.EOF)
		lines, tooLong := model(s, shortLine)
		if !slices.Equal(got.lines, lines) || got.refused[protocol.LineTooLong] != tooLong || refusedOf(got) != tooLong || said != "" {
			t.Errorf("%.60q: lines %q, refused %v, said %q; want %q and %d too long", s, got.lines, got.refused, said, lines, tooLong)
		}
	}
}

// TestFrames reads framed streams in one piece.
func TestFrames(t *testing.T) {
	for _, c := range []struct {
		stream  string
		lines   string // joined by blanks
		refused map[protocol.Reason]int
	}{
		{frameStreams[0], "a:1|c b:2|c c:3|c d:4|c", nil},
		{frameStreams[1], "a:12345|c a:1|c|#kk", nil},
		{frameStreams[2], "a:1|c", nil},
		{frameStreams[5], "b:1|c", map[protocol.Reason]int{protocol.LineTooLong: 1}},
		{packet("a:1|c")[:6], "", map[protocol.Reason]int{protocol.Partial: 1}},
		{packet("a:1|c") + "\x05", "a:1|c", map[protocol.Reason]int{protocol.Partial: 1}},
		{packet("a:1|c") + "\x01\x00\x01\x00b:1|c\n", "a:1|c", map[protocol.Reason]int{protocol.BatchTooLarge: 1}},
		{packet("a:1|c\nb:1|c") + packet(strings.Repeat("c:1|c\n", maxPacket/6)), "a:1|c b:1|c" + strings.Repeat(" c:1|c", maxPacket/6), nil},
	} {
		got, _ := stream([][]byte{[]byte(c.stream)}, shortLine, true, io.EOF)
		if joined := strings.Join(got.lines, " "); joined != c.lines || (len(c.refused) > 0 || refusedOf(got) > 0) && !maps.Equal(got.refused, c.refused) {
			t.Errorf("%.60q: lines %.80q, refused %v; want %.80q, %v", c.stream, joined, got.refused, c.lines, c.refused)
		}
	}
}

// endings are how a stream may end: by its peer's will, and not.
var endings = map[string]error{"at its end": io.EOF, "by a reset": syscall.ECONNRESET}

// TestEverySplit cuts streams at every point, and into single bytes: the same
// lines and rejections come of it, in the same order.
func TestEverySplit(t *testing.T) {
	for frames, streams := range map[bool][]string{false: lineStreams, true: slices.Concat(frameStreams, lineStreams)} {
		for _, s := range streams {
			for how, err := range endings {
				whole, _ := stream([][]byte{[]byte(s)}, shortLine, frames, err)
				for at := range len(s) + 1 {
					got, _ := stream([][]byte{[]byte(s[:at]), []byte(s[at:])}, shortLine, frames, err)
					if d := got.diff(whole); d != nil {
						t.Fatalf("%.80q, ended %s, cut at %d (frames %v): %v", s, how, at, frames, d)
					}
				}
				got, _ := stream(singly(s), shortLine, frames, err)
				if d := got.diff(whole); d != nil {
					t.Fatalf("%.80q, ended %s, byte by byte (frames %v): %v", s, how, frames, d)
				}
			}
		}
	}
}

func singly(s string) (pieces [][]byte) {
	for i := range len(s) {
		pieces = append(pieces, []byte(s[i:i+1]))
	}
	return pieces
}

// TestSplitsProperty puts streams together at random and cuts them in many
// places.
func TestSplitsProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		frames := rapid.Bool().Draw(t, "frames")
		var s string
		for range rapid.IntRange(0, 12).Draw(t, "parts") {
			part := rapid.SampledFrom(lineStreams).Draw(t, "part")
			if frames && rapid.Bool().Draw(t, "framed") {
				part = packet(part)
			}
			s += part
		}
		err := rapid.SampledFrom([]error{io.EOF, syscall.ECONNRESET}).Draw(t, "ending")
		var pieces [][]byte
		for rest := s; len(rest) > 0; {
			n := rapid.IntRange(1, min(len(rest), 3*shortLine)).Draw(t, "piece")
			pieces = append(pieces, []byte(rest[:n]))
			rest = rest[n:]
		}
		whole, _ := stream([][]byte{[]byte(s)}, shortLine, frames, err)
		got, _ := stream(pieces, shortLine, frames, err)
		if d := got.diff(whole); d != nil {
			t.Fatalf("%q in %d pieces: %v", s, len(pieces), d)
		}
	})
}

func FuzzCut(f *testing.F) {
	for _, s := range lineStreams {
		f.Add([]byte(s), uint64(3), false, false)
		f.Add([]byte(s), uint64(1<<40+5), true, true)
	}
	for _, s := range frameStreams {
		f.Add([]byte(s), uint64(7), true, false)
	}
	f.Fuzz(func(t *testing.T, s []byte, cuts uint64, frames, reset bool) {
		// A carriage return before a line's own end is for the parser to judge,
		// and a session is no stream of lines.
		if strings.Contains(string(s), "\r\r") || strings.Contains(string(s), protocol.SessionStart) {
			return
		}
		err := error(io.EOF)
		if reset {
			err = syscall.ECONNRESET
		}
		var pieces [][]byte
		for rest := s; len(rest) > 0; {
			n := min(len(rest), 1+int(cuts%61))
			cuts = cuts*6364136223846793005 + 1442695040888963407
			pieces, rest = append(pieces, rest[:n]), rest[n:]
		}
		whole, saidWhole := stream([][]byte{s}, shortLine, frames, err)
		got, said := stream(pieces, shortLine, frames, err)
		if d := got.diff(whole); d != nil || said != saidWhole {
			t.Errorf("in %d pieces: %v; said %q, want %q", len(pieces), d, said, saidWhole)
		}
	})
}

// TestEndlessLine skips a line without end in bounded memory, counts it once,
// and goes on behind its end.
func TestEndlessLine(t *testing.T) {
	const maxLine = 1000
	pieces := [][]byte{[]byte("a:1|c\nendless:")}
	for range 200 {
		pieces = append(pieces, []byte(strings.Repeat("x", 50_000)))
	}
	for name, c := range map[string]struct {
		then string
		want []string
	}{
		"and then more": {"\nb:2|c\n", []string{"a:1|c", "b:2|c"}},
		"to the end":    {"", []string{"a:1|c"}},
	} {
		got, _ := stream(append(slices.Clone(pieces), []byte(c.then)), maxLine, false, io.EOF)
		if !slices.Equal(got.lines, c.want) || got.refused[protocol.LineTooLong] != 1 || refusedOf(got) != 1 {
			t.Errorf("%s: lines %q, refused %v", name, got.lines, got.refused)
		}
		if got.carrying > 4*maxLine {
			t.Errorf("%s: %d bytes were kept of a line that may have %d", name, got.carrying, maxLine)
		}
	}
}

// TestCarryLetsGo gives back the memory of one long line when short ones follow.
func TestCarryLetsGo(t *testing.T) {
	s := New(&recorder{maxLine: testMaxLine}, Options{MaxLine: testMaxLine})
	c := &conn{server: s, tokens: make(chan struct{}, inFlight), speech: lines}
	for _, piece := range []string{strings.Repeat("x", 30_000), ":1|c\n", "b:1|c\nb", ":2|c\n"} {
		k := chunks.Get().(*chunk)
		have := copy(k.buf[:], c.carry)
		c.cut(k, have+copy(k.buf[have:], piece))
	}
	if cap(c.carry) > 1<<10 {
		t.Errorf("%d bytes are kept by a connection of short lines", cap(c.carry))
	}
}

// TestForeign answers a stranger in words and counts one unit.
func TestForeign(t *testing.T) {
	for start, name := range map[string]string{"\x16\x03\x01\x00": "TLS", "SSH-2.0-x\r\n": "SSH", "*1\r\n$4": "Redis", "\x1f\x8b\x08": "gzip", "\xff\xfea\x00": "UTF-16 text"} {
		for _, pieces := range [][][]byte{{[]byte(start)}, singly(start)} {
			got, said := stream(pieces, shortLine, false, io.EOF)
			if want := "this port speaks nexusctl lines and HTTP, not " + name + "\n"; said != want {
				t.Errorf("%q is told %q, want %q", start, said, want)
			}
			if got.refused[protocol.WrongProtocol] != 1 || refusedOf(got) != 1 || len(got.lines) != 0 {
				t.Errorf("%q: %+v", start, got)
			}
		}
	}
}
