package badinput_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/client"
)

// TestFraming has the rows about frames and connections.
func TestFraming(t *testing.T) {
	for id, test := range map[string]func(*testing.T){
		"F01": drip, "F02": silent, "F07": plainAndTLS, "F08": keepAlive, "F10": neverReads, "F11": resetMidFrame, "F13": frameLengths,
		"F14": flippedBits, "F16": twoHolders, "F19": inflation, "F20": proxyHeaders, "F22": acceptsWhileBusy,
	} {
		t.Run(id, func(t *testing.T) { test(t) })
	}
}

// drip sends a line, a session's HELLO and a batch byte by byte: each connection
// is ended, its slot is free, and whoever comes forward is not.
func drip(t *testing.T) {
	s := start(t, "ingest.line_timeout", "300ms", "ingest.min_rate", "100B", "server.max_connections", "40")
	before := s.ledger()
	steady := dial(t, s)
	write(t, steady, "steady.f01:1|c\n")
	s.comes(t, before, verdict{accepted: 1})
	for name, opening := range map[string]string{
		"line": "a:", "first bytes": "HELL", "hello": "HELLO nexus/1 producer=slow ",
		"batch": "HELLO nexus/1 producer=slow epoch=1\nBATCH 1 100 00000000\nabc",
	} {
		closedBefore := s.counter(t, `nexus_connections_closed_total{reason="slow_sender"}`)
		c := dial(t, s)
		write(t, c, opening)
		began := time.Now()
		stop := make(chan struct{})
		go func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(100 * time.Millisecond):
					_, _ = io.WriteString(c, "x")
				}
			}
		}()
		if said := closed(t, c); !strings.Contains(said, "slow_sender") {
			t.Errorf("%s: told %q", name, said)
		}
		close(stop)
		if took := time.Since(began); took < 250*time.Millisecond || took > 5*time.Second {
			t.Errorf("%s: ended after %v", name, took)
		}
		if n := s.counter(t, `nexus_connections_closed_total{reason="slow_sender"}`); n != closedBefore+1 {
			t.Errorf("%s: %v are counted, want one more than %v", name, n, closedBefore)
		}
	}
	s.comes(t, before, verdict{1, rejected("partial", 2)}) // of the two that were lines, as far as one could tell
	// Idle between lines is no fault, nor is a line in pieces that come.
	time.Sleep(400 * time.Millisecond)
	for _, piece := range []string{"stea", "dy.f01:", "1|c", "\n"} {
		write(t, steady, piece)
		time.Sleep(50 * time.Millisecond)
	}
	s.comes(t, before, verdict{2, rejected("partial", 2)})
	eventually(t, "the slots are free", func() bool { return s.counter(t, "nexus_connections_active") <= 3 })
}

// silent opens more connections than there are slots and sends nothing: they are
// ended, and those of one address are bounded, while who sends goes on.
func silent(t *testing.T) {
	s := start(t, "ingest.first_byte_timeout", "300ms", "server.max_per_address", "30")
	before := s.ledger()
	steady := dial(t, s)
	write(t, steady, "steady.f02:1|c\n")
	s.comes(t, before, verdict{accepted: 1})
	unix := filepath.Join(s.dir, "stream") // has no address, and so no limit of one
	conns := make([]net.Conn, 60)
	for i := range conns {
		conns[i] = dial(t, s)
	}
	aside, err := net.Dial("unix", unix)
	if err != nil {
		t.Fatal(err)
	}
	defer aside.Close()
	write(t, aside, "aside.f02:1|c\n")
	s2 := verdict{accepted: 2}
	for _, c := range conns {
		if text := closed(t, c); text != "" { // a browser would take it for its next answer
			t.Errorf("a silent one was told %q", text)
		}
	}
	s.comes(t, before, s2)
	if n := s.counter(t, `nexus_connections_closed_total{reason="silent"}`); n < 1 || n > 30 {
		t.Errorf("%v silent ones are counted", n)
	}
	if n := s.counter(t, "nexus_connections_crowded_total"); n < 30 {
		t.Errorf("%v of one address are counted", n)
	}
	write(t, steady, "steady.f02:1|c\n")
	s.comes(t, before, verdict{accepted: 3})
}

// plainAndTLS speaks TLS to the plain port, by the standard library's own client.
func plainAndTLS(t *testing.T) {
	s := start(t)
	before := s.ledger()
	if res, err := http.Get("https://" + s.addr + "/health"); err == nil {
		_ = res.Body.Close()
		t.Error("TLS is answered")
	}
	s.comes(t, before, verdict{0, rejected("wrong_protocol", 1)})
}

// neverReads sends batches and reads no answer: the daemon's memory is bounded by
// the window, and a peer that goes takes nothing with it.
func neverReads(t *testing.T) {
	s := start(t)
	before := s.ledger()
	c := dial(t, s)
	var b []byte
	b = protocol.AppendHello(b, protocol.Hello{Producer: "f10", Epoch: 1})
	const batches = 200
	for seq := range uint64(batches) {
		lines := []byte("a.f10:1|c\nbad\n")
		b = protocol.AppendBatchHead(b, protocol.BatchHead{Seq: seq + 1, Bytes: len(lines), CRC: protocol.Checksum(lines)})
		b = append(b, lines...)
	}
	write(t, c, string(b))
	s.comes(t, before, verdict{batches, rejected("syntax", batches)})
	_ = c.SetLinger(0)
	_ = c.Close()
	pour(t, "tcp", s.addr, "after.f10:1|c\n")
	s.comes(t, before, verdict{batches + 1, rejected("syntax", batches)})
}

// resetMidFrame breaks connections in the middle of a batch and of a packet:
// nothing of it is taken, and sent again it counts once.
func resetMidFrame(t *testing.T) {
	s := start(t)
	before := s.ledger()
	lines := "a.f11:1|c\nb.f11:1|c\n"
	c := dial(t, s)
	head := protocol.AppendBatchHead(nil, protocol.BatchHead{Seq: 1, Bytes: len(lines), CRC: protocol.Checksum([]byte(lines))})
	write(t, c, "HELLO nexus/1 producer=f11 epoch=1\n"+string(head)+lines[:12])
	if _, err := bufio.NewReader(c).ReadString('\n'); err != nil { // OK: the rest is in the daemon's buffers or on its way
		t.Fatal(err)
	}
	_ = c.SetLinger(0)
	_ = c.Close()
	again := dial(t, s)
	write(t, again, "HELLO nexus/1 producer=f11 epoch=1\n"+string(head)+lines)
	in := bufio.NewReader(again)
	for _, want := range []string{"OK ", "ACK 1 accepted=2 rejected=0"} {
		if line, err := in.ReadString('\n'); err != nil || !strings.HasPrefix(line, want) || strings.HasPrefix(want, "OK") && !strings.Contains(line, "last=0") {
			t.Errorf("%q, %v, want %s", line, err, want)
		}
	}
	s.comes(t, before, verdict{accepted: 2})
	u, err := net.Dial("unix", filepath.Join(s.dir, "stream"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, u, frame("c.f11:1|c")+frame("d.f11:1|c\ne.f11:1|c")[:9])
	_ = u.Close()
	s.comes(t, before, verdict{3, rejected("partial", 1)})
}

// frame is one packet behind its length.
func frame(lines string) string {
	return string(binary.LittleEndian.AppendUint32(nil, uint32(len(lines)))) + lines
}

// frameLengths says lengths that cannot be: refused before anything is allocated.
func frameLengths(t *testing.T) {
	s := start(t)
	var m0, m1 runtime.MemStats
	runtime.ReadMemStats(&m0)
	for size, want := range map[uint32]verdict{
		0: {accepted: 2}, 1<<31 - 1: {1, rejected("batch_too_large", 1)}, 1<<32 - 1: {1, rejected("batch_too_large", 1)}, 65537: {1, rejected("batch_too_large", 1)},
	} {
		before := s.ledger()
		c, err := net.Dial("unix", filepath.Join(s.dir, "stream"))
		if err != nil {
			t.Fatal(err)
		}
		write(t, c, frame("a.f13:1|c")+string(binary.LittleEndian.AppendUint32(nil, size))+frame("b.f13:1|c"))
		if size == 0 {
			_ = c.(*net.UnixConn).CloseWrite()
		}
		closed(t, c)
		s.comes(t, before, want)
		_ = c.Close()
	}
	for bytes, want := range map[string]string{
		"0": "ACK 1", "1048577": "ERR quota", "2147483647": "ERR syntax", "4294967295": "ERR syntax", "18446744073709551616": "ERR syntax", "-1": "ERR syntax",
		"+1": "ERR syntax", "0x10": "ERR syntax", "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01": "ERR syntax",
	} {
		c := dial(t, s)
		write(t, c, fmt.Sprintf("HELLO nexus/1 producer=f13-%x epoch=1\nBATCH 1 %s 00000000\n", len(bytes)*256+int(bytes[0]), bytes))
		_ = c.CloseWrite()
		if said := closed(t, c); !strings.Contains(said, want) {
			t.Errorf("%q bytes: %q, want %s", bytes, said, want)
		}
	}
	runtime.ReadMemStats(&m1)
	if grown := m1.TotalAlloc - m0.TotalAlloc; grown > 64<<20 {
		t.Errorf("%d bytes were allocated", grown)
	}
	if n := s.counter(t, `nexus_connections_closed_total{reason="bad_frame"}`); n != 4 {
		t.Errorf("%v bad frames are counted", n)
	}
}

// flippedBits damages one bit of a batch at a time: nothing of it is applied.
func flippedBits(t *testing.T) {
	s := start(t)
	lines := []byte("a.f14:1|c\nb.f14:2|c\n")
	head := protocol.AppendBatchHead(nil, protocol.BatchHead{Seq: 1, Bytes: len(lines), CRC: protocol.Checksum(lines)})
	before := s.ledger()
	for bit := range len(lines) * 8 {
		bad := bytes.Clone(lines)
		bad[bit/8] ^= 1 << (bit % 8)
		c := dial(t, s)
		write(t, c, "HELLO nexus/1 producer=f14 epoch=1\n"+string(head)+string(bad))
		if said := closed(t, c); !strings.Contains(said, "ERR crc\n") || strings.Contains(said, "ACK") {
			t.Fatalf("bit %d: %q", bit, said)
		}
	}
	c := dial(t, s)
	write(t, c, "HELLO nexus/1 producer=f14 epoch=1\n"+string(head)+string(lines))
	_ = c.CloseWrite()
	if said := closed(t, c); !strings.Contains(said, "ACK 1 accepted=2 rejected=0\n") {
		t.Errorf("whole: %q", said)
	}
	s.comes(t, before, verdict{accepted: 2})
}

// twoHolders has two connections be one producer: the newer epoch wins.
func twoHolders(t *testing.T) {
	s := start(t)
	before := s.ledger()
	batch := func(seq uint64, lines string) string {
		return string(protocol.AppendBatchHead(nil, protocol.BatchHead{Seq: seq, Bytes: len(lines), CRC: protocol.Checksum([]byte(lines))})) + lines
	}
	old := dial(t, s)
	write(t, old, "HELLO nexus/1 producer=f16 epoch=1\n"+batch(1, "a.f16:1|c\n"))
	in := bufio.NewReader(old)
	for _, want := range []string{"OK ", "ACK 1 "} {
		if line, err := in.ReadString('\n'); err != nil || !strings.HasPrefix(line, want) {
			t.Fatalf("%q, %v", line, err)
		}
	}
	next := dial(t, s)
	write(t, next, "HELLO nexus/1 producer=f16 epoch=2\n"+batch(2, "a.f16:1|c\n"))
	innext := bufio.NewReader(next)
	for _, want := range []string{"OK ", "ACK 2 "} {
		if line, err := innext.ReadString('\n'); err != nil || !strings.HasPrefix(line, want) {
			t.Fatalf("%q, %v", line, err)
		}
	}
	write(t, old, batch(3, "a.f16:1|c\n"))
	if line, err := in.ReadString('\n'); err != nil || line != "ERR fenced\n" {
		t.Errorf("the older is told %q, %v", line, err)
	}
	late := dial(t, s)
	write(t, late, "HELLO nexus/1 producer=f16 epoch=1\n")
	if said := closed(t, late); said != "ERR fenced\n" {
		t.Errorf("an older epoch is told %q", said)
	}
	s.comes(t, before, verdict{accepted: 2})
}

// inflation sends batches that are not what they seem once decompressed.
func inflation(t *testing.T) {
	s := start(t)
	e, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	pack := func(b []byte) []byte { return e.EncodeAll(b, nil) }
	line := []byte("a.f19:1|c\n")
	var stream bytes.Buffer // does not say how large it is
	w, err := zstd.NewWriter(&stream)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = w.Write(bytes.Repeat(line, 5_000))
	_ = w.Close()
	bomb, large := pack(make([]byte, 4<<20)), make([]byte, 9<<20)
	for i := range large {
		large[i] = byte(i * i >> 7)
	}
	for name, c := range map[string]struct {
		payload          []byte
		want             string
		accepted, syntax int
	}{
		"sound":            {pack(line), "ACK 1 accepted=1 rejected=0", 1, 0},
		"of unknown size":  {stream.Bytes(), "ACK 1 accepted=5000 rejected=0", 5_000, 0},
		"two frames":       {append(pack(line), pack(line)...), "ACK 1 accepted=2 rejected=0", 2, 0},
		"empty":            {pack(nil), "ACK 1 accepted=0 rejected=0", 0, 0},
		"a bomb":           {bomb, "ERR quota", 0, 0},
		"two bombs":        {append(bytes.Clone(stream.Bytes()), bomb...), "ERR quota", 0, 0},
		"too large":        {pack(large), "ERR quota", 0, 0},
		"truncated":        {pack(bytes.Repeat(line, 100))[:20], "ERR syntax", 0, 0},
		"trailing garbage": {append(pack(line), "garbage"...), "ERR syntax", 0, 0},
		"no zstd":          {line, "ERR syntax", 0, 0},
		"nested":           {pack(pack(line)), "ACK 1 accepted=0 rejected=", 0, 1},
	} {
		before := s.ledger()
		conn := dial(t, s)
		head := protocol.AppendBatchHead(nil, protocol.BatchHead{Seq: 1, Bytes: len(c.payload), CRC: protocol.Checksum(c.payload), Encoding: protocol.Zstd})
		write(t, conn, "HELLO nexus/1 producer=f19-"+strings.ReplaceAll(name, " ", "-")+" epoch=1 caps=zstd\n"+string(head)+string(c.payload))
		_ = conn.CloseWrite()
		said := closed(t, conn)
		if !strings.Contains(said, "caps=zstd\n") || !strings.Contains(said, c.want) {
			t.Errorf("%s: %q, want %s", name, said, c.want)
		}
		l := s.ledger()
		if got := since(before, l); got.accepted != uint64(c.accepted) || (len(got.rejected) > 0) != (c.syntax > 0) {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if n := s.counter(t, `nexus_connections_closed_total{reason="decompress_limit"}`); n < 3 {
		t.Errorf("%v are counted", n)
	}
	// Who has not said that he can is not understood.
	conn := dial(t, s)
	head := protocol.AppendBatchHead(nil, protocol.BatchHead{Seq: 1, Bytes: 1, Encoding: protocol.Zstd})
	write(t, conn, "HELLO nexus/1 producer=f19-mute epoch=1\n"+string(head)+"x")
	if said := closed(t, conn); !strings.Contains(said, "ERR syntax\n") || strings.Contains(said, "caps") {
		t.Errorf("without the capability: %q", said)
	}
}

// proxyHeaders come from peers that are trusted to say whom they speak for, and
// from others, of whom they are data.
func proxyHeaders(t *testing.T) {
	header := "PROXY TCP4 203.0.113.7 127.0.0.1 4321 8080\r\n"
	six := "PROXY TCP6 2001:db8::7 ::1 4321 8080\r\n"
	v2 := "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xcb\x00\x71\x09\x7f\x00\x00\x01\x10\xe1\x1f\x90"
	t.Run("untrusted", func(t *testing.T) {
		s := start(t)
		for head, reasons := range map[string]map[string]uint64{
			header: rejected("syntax", 1), six: rejected("name_charset", 1), v2: rejected("syntax", 3),
		} {
			before := s.ledger()
			pour(t, "tcp", s.addr, head+"\na.f20:1|c\n")
			s.comes(t, before, verdict{1, reasons})
		}
	})
	s := start(t, "server.proxy_from", "127.0.0.0/8", "ingest.max_name_series", "1")
	for i, c := range []struct{ head, address string }{{header, "203.0.113.7"}, {six, "2001:db8::7"}, {v2, "203.0.113.9"}, {"PROXY UNKNOWN\r\n", "127.0.0.1"}, {"", "127.0.0.1"}} {
		before := s.ledger()
		conn := dial(t, s)
		for _, b := range []byte(c.head) { // at every split point
			write(t, conn, string([]byte{b}))
		}
		name := fmt.Sprintf("b%d.f20", i)
		write(t, conn, name+":1|c|#k:1\n"+name+":1|c|#k:2\n")
		s.comes(t, before, verdict{accepted: 2})
		found := ""
		for _, o := range get[struct {
			Offenders []struct {
				Name    string
				Sources []struct{ Address string }
			}
		}](t, s, "/api/v1/cardinality").Offenders {
			if o.Name == name {
				found = o.Sources[0].Address
			}
		}
		if found != c.address {
			t.Errorf("behind %q the source is %q, want %q", c.head, found, c.address)
		}
	}
	for _, bad := range []string{"PROXY TCP4 x y 1 2\r\n", "PROXY " + long("x", 200), "\r\n\r\n\x00\r\nQUIT\n\x31\x11\x00\x0c"} {
		before := s.ledger()
		conn := dial(t, s)
		write(t, conn, bad)
		if said := closed(t, conn); !strings.Contains(said, "PROXY header") {
			t.Errorf("%q is told %q", bad, said)
		}
		s.comes(t, before, verdict{0, rejected("wrong_protocol", 1)})
	}
	before := s.ledger()
	conn := dial(t, s)
	write(t, conn, header+"GET /health HTTP/1.0\r\n\r\n")
	if said := closed(t, conn); !strings.Contains(said, "200 OK") {
		t.Errorf("HTTP behind a header: %q", said)
	}
	s.comes(t, before, verdict{})
}

// acceptsWhileBusy stalls every lane and goes on accepting.
func acceptsWhileBusy(t *testing.T) {
	s := start(t)
	before := s.ledger()
	busy := make([]net.Conn, 8)
	body := long("busy.f22:1|ms\n", 4000)
	for i := range busy {
		busy[i] = dial(t, s)
		go func() {
			for range 50 {
				_ = busy[i].SetWriteDeadline(time.Now().Add(20 * time.Second))
				_, _ = io.WriteString(busy[i], body)
			}
		}()
	}
	slowest := time.Duration(0)
	for range 100 {
		began := time.Now()
		c := dial(t, s)
		write(t, c, "SSH-2.0-x\r\n")
		closed(t, c)
		slowest = max(slowest, time.Since(began))
	}
	if slowest > 5*time.Second {
		t.Errorf("a connection waited %v", slowest)
	}
	s.comes(t, before, verdict{8 * 50 * 4000, rejected("wrong_protocol", 100)})
}

// TestStopsUnderSessions stops a daemon whose sessions send on and on: it ends them
// at its own time, and what they were told is kept is in the ledger.
func TestStopsUnderSessions(t *testing.T) {
	s := start(t)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for i := range 3 {
		c, err := client.OpenSession(ctx, client.SessionOptions{Addr: s.addr, Producer: fmt.Sprint("stop-", i), Epoch: 1, Compress: i == 1, GiveUp: time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			for c.Send(ctx, []byte("a.stop:1|c\n")) == nil {
				continue
			}
			_ = c.Close(ctx)
		})
	}
	eventually(t, "batches are taken", func() bool { return s.ledger().Received > 500 })
	began := time.Now()
	s.stop()
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("the stop took %v", took)
	}
	cancel()
	wg.Wait()
}
