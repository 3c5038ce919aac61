package protocol_test

import (
	"reflect"
	"strings"
	"testing"

	"example.com/nexusctl/protocol"
)

func line(b []byte) []byte { return b[:len(b)-1] }

// TestSessionLinesComeBack renders every line and reads it again.
func TestSessionLinesComeBack(t *testing.T) {
	for _, h := range []protocol.Hello{
		{Producer: "a", Epoch: 1},
		{Producer: strings.Repeat("Z", 64), Epoch: 1<<64 - 1, Writer: "w-1", Token: "t.k=n", Caps: []string{"zstd", "x"}},
	} {
		got, err := protocol.ParseHello(line(protocol.AppendHello(nil, h)))
		if err != nil || !reflect.DeepEqual(got, h) {
			t.Errorf("%+v, %v", got, err)
		}
	}
	b := protocol.BatchHead{Seq: 7, Bytes: 1 << 20, CRC: 0xab}
	if got, err := protocol.ParseBatchHead(line(protocol.AppendBatchHead(nil, b))); err != nil || got != b {
		t.Errorf("%+v, %v", got, err)
	}
	for _, r := range []protocol.Reply{
		{OK: &protocol.OK{Writer: "w", Last: 9, Window: 64}},
		{OK: &protocol.OK{Writer: "w", Window: 1, Caps: []string{"zstd"}}},
		{Ack: &protocol.Ack{Seq: 3, Accepted: 1000, Rejected: 2}},
		{Refusal: &protocol.Refusal{Code: protocol.ErrGap, Expected: 4}},
		{Refusal: &protocol.Refusal{Code: protocol.ErrRetry, After: 250}},
		{Refusal: &protocol.Refusal{Code: protocol.ErrFenced}},
	} {
		var text []byte
		switch {
		case r.OK != nil:
			text = protocol.AppendOK(nil, *r.OK)
		case r.Ack != nil:
			text = protocol.AppendAck(nil, *r.Ack)
		default:
			text = protocol.AppendRefusal(nil, *r.Refusal)
		}
		if got, err := protocol.ParseReply(line(text)); err != nil || !reflect.DeepEqual(got, r) {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
}

func TestSessionLinesRefused(t *testing.T) {
	for _, s := range []string{
		"", "HELLO", "HELLO nexus/2 producer=a epoch=1", "HELLO nexus/1 producer= epoch=1", "HELLO nexus/1 producer=a", "HELLO nexus/1 producer=a epoch=x",
		"HELLO nexus/1 producer=a epoch=-1", "HELLO nexus/1 producer=a epoch=+1", "HELLO nexus/1 producer=a.b epoch=1", "HELLO nexus/1 producer=a epoch=1 epoch=2",
		"HELLO nexus/1 producer=" + strings.Repeat("a", 65) + " epoch=1", "HELLO nexus/1 producer=a epoch=1 word", "HELLO nexus/1 producer=a epoch=18446744073709551616",
	} {
		if h, err := protocol.ParseHello([]byte(s)); err == nil {
			t.Errorf("%q is taken: %+v", s, h)
		}
	}
	for _, s := range []string{"", "BATCH", "BATCH 1 2", "BATCH 1 2 xyz", "BATCH 1 2 0000000G", "BATCH 1 2 ABCDEF01", "BATCH -1 2 00000000", "BATCH 1 9999999999 00000000", "BATCH 1 2 00000000 4"} {
		if b, err := protocol.ParseBatchHead([]byte(s)); err == nil {
			t.Errorf("%q is taken: %+v", s, b)
		}
	}
	for _, s := range []string{"", "NO", "OK", "OK writer=a last=1", "OK writer=a last=1 window=0", "ACK", "ACK x", "ACK 1 accepted=1", "ERR", "ERR nonsense", "ERR gap", "ERR retry after=x"} {
		if r, err := protocol.ParseReply([]byte(s)); err == nil {
			t.Errorf("%q is taken: %+v", s, r)
		}
	}
	if h, err := protocol.ParseHello([]byte("HELLO nexus/1 producer=a epoch=1 later=thing")); err != nil || h.Producer != "a" {
		t.Errorf("an unknown field is refused: %v", err)
	}
}

func FuzzSession(f *testing.F) {
	f.Add([]byte("HELLO nexus/1 producer=a epoch=1 caps=zstd"))
	f.Add([]byte("BATCH 1 20 0a0b0c0d"))
	f.Add([]byte("OK writer=w last=1 window=4"))
	f.Add([]byte("ACK 5 accepted=1 rejected=0"))
	f.Add([]byte("ERR gap expected=4"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if h, err := protocol.ParseHello(b); err == nil {
			again, err := protocol.ParseHello(line(protocol.AppendHello(nil, h)))
			if err != nil || !reflect.DeepEqual(again, h) {
				t.Fatalf("%q: %+v, then %+v, %v", b, h, again, err)
			}
		}
		if h, err := protocol.ParseBatchHead(b); err == nil {
			if again, err := protocol.ParseBatchHead(line(protocol.AppendBatchHead(nil, h))); err != nil || again != h {
				t.Fatalf("%q: %+v, then %+v, %v", b, h, again, err)
			}
		}
		if _, err := protocol.ParseReply(b); err != nil {
			return
		}
	})
}
