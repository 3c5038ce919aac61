package badinput_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/api"
)

// corpus is lines of every language and verdict; the last has no end.
const corpus = "s.text:1|c|x:unknown\r\n" + `{"name":"s.json","value":2,"type":"counter"}` + "\n" +
	"_e{5,5}:title|a|b:c|t:error|#k:v\n\n_sc|s.check|1|m:a\\nb\r\n" +
	"bad line\n:1|c\ns.text:x|c\n{\"name\":\"s\"}\n_e{9,9}:a|b\n_sc|s|7\r\nnexus.s:1|c\ns.text:1:2|c|@0.5\n" +
	"s.set:member|s\n\r\n" + "s.é:1|c\ns.text:\x001|c\n" + "s.text:1|c"

var corpusVerdict = verdict{8, rejected("syntax", 1, "empty_name", 1, "number", 1, "empty_value", 1, "event", 1, "service_check", 1, "reserved_name", 1,
	"name_charset", 1, "control_char", 1)}

// TestSplitPoints cuts the corpus in two at every byte, and into single bytes, over
// real connections: it comes to the same, however the reads fall.
func TestSplitPoints(t *testing.T) {
	s := start(t)
	before := s.ledger()
	runs := uint64(0)
	expect := func() verdict {
		want := verdict{corpusVerdict.accepted * runs, map[string]uint64{}}
		for reason, n := range corpusVerdict.rejected {
			want.rejected[reason] = n * runs
		}
		return want
	}
	send := func(pieces ...string) {
		t.Helper()
		c := dial(t, s)
		for _, p := range pieces {
			write(t, c, p)
			time.Sleep(300 * time.Microsecond) // so that a read is likely to end here
		}
		_ = c.CloseWrite()
		if said := closed(t, c); said != "" {
			t.Errorf("told %q", said)
		}
		runs++
	}
	for i := 1; i < len(corpus); i++ {
		send(corpus[:i], corpus[i:])
	}
	send(corpus)
	send(strings.Split(corpus, "")...)
	s.comes(t, before, expect())
	lasts(map[string]float64{"s.text": float64(runs) * 8, "s.json": float64(runs) * 2})(t, s, "")
}

// TestSessionSplitPoints cuts an acked session in two at every byte, and into single
// bytes: the answers and what is kept are the same, however the reads fall.
func TestSessionSplitPoints(t *testing.T) {
	s := start(t)
	before := s.ledger()
	batch := func(seq uint64, lines string) string {
		head := protocol.AppendBatchHead(nil, protocol.BatchHead{Seq: seq, Bytes: len(lines), CRC: protocol.Checksum([]byte(lines))})
		return string(head) + lines
	}
	const answers = "ACK 1 accepted=2 rejected=1\nACK 2 accepted=1 rejected=0\n"
	runs := uint64(0)
	send := func(pieces func(stream string) []string) {
		t.Helper()
		runs++
		// A name of one length, so that a place is the same in every run.
		stream := fmt.Sprintf("HELLO nexus/1 producer=split-%06d epoch=1\n", runs) +
			batch(1, "split.a:1|c\nbad\n{\"name\":\"split.b\",\"value\":2,\"type\":\"c\"}\n") + batch(1, "split.a:1|c\n") + batch(2, "split.a:3|c")
		c := dial(t, s)
		for _, p := range pieces(stream) {
			write(t, c, p)
			time.Sleep(300 * time.Microsecond)
		}
		_ = c.CloseWrite()
		said := closed(t, c)
		hello, rest, _ := strings.Cut(said, "\n")
		if joined := acks(rest); !strings.HasPrefix(hello, "OK writer=") || joined != acks(answers) {
			t.Fatalf("run %d: told %q", runs, said)
		}
	}
	whole := func(stream string) []string { return []string{stream} }
	send(whole)
	size := 0
	send(func(stream string) []string { size = len(stream); return strings.Split(stream, "") })
	for at := 1; at < size; at++ {
		send(func(stream string) []string { return []string{stream[:at], stream[at:]} })
	}
	s.comes(t, before, verdict{3 * runs, rejected("syntax", int(runs))})
	lasts(map[string]float64{"split.a": float64(runs) * 4, "split.b": float64(runs) * 2})(t, s, "")
	if l := s.ledger(); l.Duplicates-before.Duplicates != runs {
		t.Errorf("%d duplicates, want %d", l.Duplicates-before.Duplicates, runs)
	}
}

// acks adds up what acknowledgements say: they are cumulative, and how many there
// are depends on how the batches come.
func acks(lines string) string {
	var last, accepted, rejected int
	for line := range strings.Lines(lines) {
		var seq, a, r int
		if n, err := fmt.Sscanf(line, "ACK %d accepted=%d rejected=%d\n", &seq, &a, &r); n != 3 || err != nil {
			return lines
		}
		last, accepted, rejected = max(last, seq), accepted+a, rejected+r
	}
	return fmt.Sprint(last, accepted, rejected)
}

// unit is one metric in both languages.
type unit struct {
	text, json string
	reason     protocol.Reason
}

var units = []unit{
	{"d.a:1|c", `{"name":"d.a","value":1,"type":"c"}`, protocol.Accepted},
	{"d.a:-2.5e1|c", `{"name":"d.a","value":-2.5e1,"type":"counter"}`, protocol.Accepted},
	{"d.b:1:2:3|ms|@0.5|#k:v,l", `{"name":"d.b","values":[1,2,3],"type":"timer","rate":0.5,"tags":["k:v","l"]}`, protocol.Accepted},
	{"d.g:1e-400|g|#k:v,k:v", `{"name":"d.g","value":1e-400,"tags":["k:v","k:v"]}`, protocol.Accepted},
	{"d.s:x|s", `{"name":"d.s","value":"x","type":"set"}`, protocol.Accepted},
	{":1|c", `{"name":"","value":1,"type":"c"}`, protocol.EmptyName},
	{"d.a:|c", `{"name":"d.a","type":"c"}`, protocol.EmptyValue},
	{"d.a:1|", `{"name":"d.a","value":1,"type":""}`, protocol.MissingType},
	{"d.a:1|C", `{"name":"d.a","value":1,"type":"C"}`, protocol.UnknownType},
	{"d.a:1e309|c", `{"name":"d.a","value":1e309,"type":"c"}`, protocol.Range},
	{"d.a:-1|ms", `{"name":"d.a","value":-1,"type":"ms"}`, protocol.NegativeDuration},
	{"d.a:1|c|@0", `{"name":"d.a","value":1,"type":"c","rate":0}`, protocol.SampleRate},
	{"d.a:1|c|@1.5", `{"name":"d.a","value":1,"type":"c","rate":1.5}`, protocol.SampleRate},
	{"d a:1|c", `{"name":"d a","value":1,"type":"c"}`, protocol.NameCharset},
	{"nexus.d:1|c", `{"name":"nexus.d","value":1,"type":"c"}`, protocol.ReservedName},
	{"d\x07:1|c", `{"name":"d\u0007","value":1,"type":"c"}`, protocol.ControlChar},
	{"d.a:1|c|#k:\xff", "{\"name\":\"d.a\",\"value\":1,\"type\":\"c\",\"tags\":[\"k:\xff\"]}", protocol.UTF8},
	{"d.a:1|c|#k:1,k:2", `{"name":"d.a","value":1,"type":"c","tags":["k:1","k:2"]}`, protocol.DuplicateTag},
	{"d.a:1|c|#:v", `{"name":"d.a","value":1,"type":"c","tags":[":v"]}`, protocol.Syntax},
	{"d.a:1|c|#" + long("k", 1025), `{"name":"d.a","value":1,"type":"c","tags":["` + long("k", 1025) + `"]}`, protocol.TagTooLong},
	{long("n", 1025) + ":1|c", `{"name":"` + long("n", 1025) + `","value":1,"type":"c"}`, protocol.NameTooLong},
	{"d.a:" + long("m", 257) + "|s", `{"name":"d.a","value":"` + long("m", 257) + `","type":"s"}`, protocol.MemberTooLong},
	{"d.a:1|c|T1", `{"name":"d.a","value":1,"type":"c","timestamp":1}`, protocol.TooOld},
	{"d.a:1|c|T99999999999", `{"name":"d.a","value":1,"type":"c","timestamp":99999999999}`, protocol.Future},
}

// TestDoorsAgree gives one unit one verdict: by the parser, over HTTP as text and
// as JSON, unit by unit, and by the ledger over every other door.
func TestDoorsAgree(t *testing.T) {
	s := start(t)
	p := protocol.NewParser(protocol.DefaultLimits())
	p.Now = time.Now().UnixMilli()
	var texts, objects strings.Builder
	want := verdict{rejected: map[string]uint64{}}
	for _, u := range units {
		for _, line := range []string{u.text, u.json} {
			m, f := p.Line([]byte(line))
			if f.Reason != u.reason {
				t.Errorf("%.60q: %s, want %s", line, f.Reason, u.reason)
			}
			if line == u.text && m != nil {
				want.accepted += uint64(m.Count())
			}
		}
		if u.reason != protocol.Accepted {
			want.rejected[u.reason.String()]++
		}
		texts.WriteString(u.text + "\n")
		objects.WriteString(u.json + "\n")
	}
	for kind, body := range map[string]string{"text/plain": texts.String(), "application/x-ndjson": objects.String()} {
		before := s.ledger()
		_, answer := s.post(t, kind, body)
		var got api.IngestResult
		if err := json.Unmarshal([]byte(answer), &got); err != nil {
			t.Fatal(err)
		}
		reasons := make([]string, len(units))
		for _, r := range got.Rejected {
			reasons[r.Index] = r.Reason
		}
		for i, u := range units {
			if r := reasons[i]; r != "" && r != u.reason.String() || r == "" && u.reason != protocol.Accepted {
				t.Errorf("%s: %.60q is %q, want %s", kind, u.text, r, u.reason)
			}
		}
		s.comes(t, before, want)
	}
	for _, d := range doors {
		for name, lines := range map[string]string{"text": texts.String(), "json": objects.String()} {
			t.Run(fmt.Sprint(d.name, " ", name), func(t *testing.T) {
				if d.most > 0 && len(lines) > d.most {
					t.Fatalf("%d bytes are too many for this door", len(lines))
				}
				before := s.ledger()
				d.send(t, s, lines)
				s.comes(t, before, want)
			})
		}
	}
}
