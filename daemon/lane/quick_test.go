package lane

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"example.com/nexusctl/daemon/record"
	"example.com/nexusctl/protocol"
)

// quickCorpus has lines that differ where the quick path looks: signs, rates,
// tags and their order, several values, sections, lengths, both languages.
var quickCorpus = []string{
	"a:1|c", "a:+1|c", "a:-1|c", "a:1.5|c", "a:1e3|c", "a:.5|c", "a:5.|c", "a:|c", "a:x|c", "a:0x1|c", "a:1_0|c",
	"a:nan|c", "a:inf|c", "a:1e999|c", "a:1e-999|c", "a:--1|c", "a:+|c", "a: 1|c", "a:1 |c", "a:１|c",
	"a:1:2|c", "a:1:|c", "a::1|c", "a:1|c:2|c", "a:1|c:|c", "a:1|c|", "a:1|", "a:1", "a|c", ":1|c", "", " ", "\t",
	"g:1|g", "g:+1|g", "g:-1|g", "g:0|g", "g:-0|g", "o:+1|g", "o:5|g", "o:5|g|#k:v", "g:1|g|@0.5", "g:1:2|g",
	"t:1|ms", "t:0|ms", "t:-1|ms", "t:+1|ms", "t:-0|ms", "h:-1|h", "h:+1|h", "h:1|h|@0.3", "d:2|d", "d:-2|d",
	"s:1|s", "s:member|s", "s:a:b|s", "s:+1|s",
	"a:1|c|@0.5", "a:1|c|@0.5|#k:v", "a:1|c|#k:v|@0.5", "a:1|c|@1", "a:1|c|@0", "a:1|c|@0.1|@0.1", "a:1|c|@1e-3",
	"a:1|c|#k:v,l:w", "a:1|c|#l:w,k:v", "a:1|c|#k:v,k:v", "a:1|c|#k:v,k:w", "a:1|c|#", "a:1|c|#k", "a:1|c|#k:", "a:1|c|#:v",
	"a:1|c|T1700000000", "a:1|c|#k:v|T1700000000", "a:1|c|T1", "a:1|c|c:abc", "a:1|c|x:abc", "a:1|c|#k:v|c:abc|e:def",
	"a,k=v:1|c", "a#k=v:1|c", "a[k=v]:1|c", "a,k=v:1|c|#l:w", "a,k=v:+1|c", "a b:1|c", "a\x01:1|c", "ä:1|c", "a:1|c|#k:ä",
	"a:1|C", "a:1|q", "nexus.a:1|c", "_e{1,1}:a|b", "_sc|a|0", "a:1|c\r", "a:1|c\n",
	`{"name":"a","value":1,"type":"counter"}`, ` {"name":"a","value":1,"type":"counter"}`, `{"name":"a","value":-1}`, "{", "{a:1|c",
	`{"name":"a","value":-0.0,"type":"counter"}`, `{"name":"a","value":01,"type":"counter"}`, `{"name":"a","value":+1,"type":"counter"}`,
	`{"name":"a","value":1.,"type":"counter"}`, `{"name":"a","value":.5,"type":"counter"}`, `{"name":"a","value":1e3,"type":"counter"}`,
	`{"name":"a","value": 7,"type":"counter"}`, `{"name":"a","value":  7,"type":"counter"}`, `{"value":3,"name":"a","type":"counter"}`,
	`{"name":"a","tags":{"value":"3"},"value":4,"type":"counter"}`, `{"name":"a","tags":{"value":3},"value":4,"type":"counter"}`,
	`{"name":"a","tags":["\"value\":3"],"value":4,"type":"c"}`, `{"name":"\"value\":3","value":4}`, `{"name":"a","value":1,"value":2}`,
	`{"name":"a","value":1,"type":"counter"}x`, `{"name":"a","value":1,"x":2}`, `{"name":"a","values":[1],"value":2}`, `{"name":"a","value":-3,"type":"timer"}`,
	`{"name":"a","value":-3,"type":"gauge"}`, `{"name":"g","value":-3}`, `{"name":"o","value":5}`, `{"name":"s","value":"m","type":"set"}`,
	`{"name":"a","value":1,"rate":0.5,"type":"c"}`, `{"name":"a","value":1,"timestamp":1700000000}`, `{"name":"a","value":1}` + "\r",
	"a:" + strings.Repeat("0", 300) + "1|c", // longer than a line may be
	"a:" + strings.Repeat("0", 240) + "1|c", // not quite
	strings.Repeat("n", 240) + ":1|c", strings.Repeat("n", 240) + ":1234567890123|c",
}

const quickMaxLine = 250

func quickHarness(t testing.TB) *harness {
	return newHarness(t, 1, &memory{}, func(o *Options) { o.Limits.MaxLine = quickMaxLine })
}

// content is a batch without its definitions.
func content(b *record.Batch) string {
	return fmt.Sprint(b.Samples, b.Ordered, b.Timed, b.Rejected, b.Shed)
}

// verdict hands one line over with nothing else in the batch and returns what
// it became, and whether the quick path took it.
func verdict(t *Taker, line string, canonical bool) (what string, quick bool) {
	if canonical {
		m, fault := t.parser.Line([]byte(line))
		if len(line) > 0 {
			t.take(m, fault)
		}
	} else {
		l := t.quick.scanner.Only([]byte(line))
		quick = l.Plain() && t.knownLine([]byte(line), l)
		if !quick {
			t.Line([]byte(line))
		}
	}
	what = content(&t.batch)
	t.lane.commit()
	return what, quick
}

// samePaths sends the line three times: unknown as it may be, along the
// canonical path alone, and known. All must be understood alike. A gauge that
// turns to deltas with the line is sent once more before it is compared.
func samePaths(h *harness, line string) (quick bool, err error) {
	h.do(0, func(t *Taker) {
		verdict(t, line, false)
		first, _ := verdict(t, line, false)
		want, _ := verdict(t, line, true)
		got, q := verdict(t, line, false)
		quick = q
		if first != want || got != want {
			err = fmt.Errorf("%.80q was understood as\n%.300s\n%.300s, and by the canonical path as\n%.300s", line, first, got, want)
		}
	})
	return quick, err
}

// TestQuickPathAgrees runs the corpus twice, so that every line also meets the
// spellings that all the others have left.
func TestQuickPathAgrees(t *testing.T) {
	h := quickHarness(t)
	quick := 0
	for round := range 2 {
		for _, line := range quickCorpus {
			q, err := samePaths(h, line)
			if err != nil {
				t.Errorf("round %d: %v", round, err)
			}
			if q {
				quick++
			}
		}
	}
	if quick < 40 {
		t.Errorf("the quick path took %d lines of %d: it is not tested", quick, 2*len(quickCorpus))
	}
}

// TestQuickPathWithOtherValues knows a spelling from one value, and gets
// others under it.
func TestQuickPathWithOtherValues(t *testing.T) {
	values := []string{"1", "+1", "-1", "0", "-0", "1.5", "1e3", "1e999", "nan", "x", "", "1:2", "1:", " 1", strings.Repeat("0", 300) + "1"}
	suffixes := []string{"|c", "|g", "|ms", "|h", "|d", "|s", "|c|@0.5", "|c|#k:v", "|h|@0.25|#k:v", "|c|T1700000000", "|c|x:y"}
	for _, suffix := range suffixes {
		for _, known := range []string{"1", "+1", "-1"} {
			h := quickHarness(t)
			h.do(0, func(t *Taker) { takeLines(t, "n:"+known+suffix+"\n") })
			for _, v := range values {
				if _, err := samePaths(h, "n:"+v+suffix); err != nil {
					t.Errorf("known with %s: %v", known, err)
				}
			}
			h.close()
		}
	}
}

// TestQuickPathWithOtherNumbers does the same for objects, whose numbers have a
// grammar of their own.
func TestQuickPathWithOtherNumbers(t *testing.T) {
	values := []string{"1", "+1", "-1", "0", "-0", "1.5", "1e3", "1E-3", "01", "1.", ".5", "-.5", "-", "1e999", `"1"`, "null", "", "[1]", "1 ", "12345678901", "1.123456789"}
	for _, suffix := range []string{`,"type":"counter"}`, `,"type":"gauge"}`, `,"type":"timer"}`, `,"type":"h"}`, `}`, ` }`, `,"tags":{"k":"v"}}`, `,"rate":0.5,"type":"c"}`} {
		h := quickHarness(t)
		h.do(0, func(t *Taker) { takeLines(t, `{"name":"n","value":1`+suffix+"\n") })
		for _, v := range values {
			if _, err := samePaths(h, `{"name":"n","value":`+v+suffix); err != nil {
				t.Error(err)
			}
		}
		h.close()
	}
}

// TestLinesIsLine holds the taking of whole buffers to that of lines one by one,
// over buffers of several windows and lines that are longer than one.
func TestLinesIsLine(t *testing.T) {
	var b strings.Builder
	for i := range 9_000 {
		b.WriteString(quickCorpus[i*7%len(quickCorpus)])
		b.WriteString("\n")
		if i == 4_000 {
			b.WriteString(strings.Repeat("x", 200<<10) + "\n\n\r\n")
		}
	}
	text := b.String()
	for _, end := range []int{len(text), len(text) - 1, 0, 1, 70 << 10} {
		whole, single := quickHarness(t), quickHarness(t)
		for range 2 { // the second time most spellings are known
			whole.do(0, func(t *Taker) { t.Lines([]byte(text[:end])) })
			single.do(0, func(t *Taker) { takeLines(t, text[:end]) })
		}
		var books settled
		got, _ := whole.checkLaw(&books)
		if want, _ := single.checkLaw(&books); got != want {
			t.Errorf("%d bytes: %+v, want %+v", end, got, want)
		}
		if got, want := whole.sum("a"), single.sum("a"); got != want {
			t.Errorf("%d bytes: a is %v, want %v", end, got, want)
		}
	}
}

// sum returns what a counter has gathered in the open generation.
func (h *harness) sum(name string) (sum float64) {
	h.t.Helper()
	h.mark()
	var books settled
	books.sums = map[uint64]map[uint32]float64{}
	n, err := h.flushOne(h.t.Context(), &books)
	if err != nil {
		h.t.Fatal(err)
	}
	for _, s := range h.catalog.ByName(name) {
		sum += books.sums[n][s.Index]
	}
	return sum
}

// TestQuickPathProperty puts lines together from parts, right and wrong ones.
func TestQuickPathProperty(t *testing.T) {
	part := func(t *rapid.T, what string, of ...string) string { return rapid.SampledFrom(of).Draw(t, what) }
	rapid.Check(t, func(rt *rapid.T) {
		h := quickHarness(t)
		defer h.close()
		for range rapid.IntRange(1, 30).Draw(rt, "lines") {
			line := part(rt, "name", "a", "b", "a,k=v", "a[k=v]", "A", "a.b", "{", "nexus.x", "") + part(rt, "colon", ":", ":", ":", "::", "|", "") +
				part(rt, "value", "1", "2.5", "-3", "+4", "1e2", "x", "1:2", "", "nan", "9007199254740993", "0.1234567890123456789") +
				part(rt, "bar", "|", "|", "|", ":", "") + part(rt, "type", "c", "g", "ms", "h", "d", "s", "k", "")
			for range rapid.IntRange(0, 2).Draw(rt, "sections") {
				line += part(rt, "section", "|@0.5", "|@0.1", "|#k:v", "|#k:v,l:w", "|#l:w,k:v", "|T1700000000", "|c:id", "|", ":1|c")
			}
			if _, err := samePaths(h, line); err != nil {
				rt.Fatal(err)
			}
		}
	})
}

func FuzzQuickPath(f *testing.F) {
	for _, line := range quickCorpus {
		f.Add("a:1|c", line)
	}
	f.Add("a:1|g|#k:v", "a:-1|g|#k:v")
	h := quickHarness(f)
	f.Fuzz(func(t *testing.T, known, line string) {
		for _, s := range []string{known, line} {
			if strings.ContainsRune(s, '\n') || strings.Contains(s, "T") {
				return // no line, or one that is judged by the clock
			}
		}
		h.do(0, func(t *Taker) { t.Line([]byte(known)) })
		if _, err := samePaths(h, line); err != nil {
			t.Error(err)
		}
	})
}

// TestVerdictsOfEachDoor holds what a Taker answers to what it counts.
func TestVerdictsOfEachDoor(t *testing.T) {
	for _, c := range []struct {
		what   string
		take   func(t *Taker) (*protocol.Metric, protocol.Fault)
		reason protocol.Reason
		values int
	}{
		{"text", func(t *Taker) (*protocol.Metric, protocol.Fault) { return t.Text([]byte("a:1:2|c")) }, protocol.Accepted, 2},
		{"bad text", func(t *Taker) (*protocol.Metric, protocol.Fault) { return t.Text([]byte("a:1:x|c")) }, protocol.Number, 0},
		{"JSON", func(t *Taker) (*protocol.Metric, protocol.Fault) {
			return t.JSON([]byte(`{"name":"a","values":[1,2,3]}`))
		}, protocol.Accepted, 3},
		{"bad JSON", func(t *Taker) (*protocol.Metric, protocol.Fault) { return t.JSON([]byte(`{"name":"a"}`)) }, protocol.EmptyValue, 0},
		{"a line", func(t *Taker) (*protocol.Metric, protocol.Fault) { return nil, t.Line([]byte("a:1|c")) }, protocol.Accepted, 1},
		{"a blank line", func(t *Taker) (*protocol.Metric, protocol.Fault) { return nil, t.Line(nil) }, protocol.Accepted, 0},
		{"units that were none", func(t *Taker) (*protocol.Metric, protocol.Fault) {
			t.Reject(protocol.Partial, 1)
			return nil, protocol.Fault{Reason: protocol.Partial}
		}, protocol.Partial, 0},
	} {
		h := newHarness(t, 1, &memory{}, nil)
		h.do(0, func(tk *Taker) {
			m, fault := c.take(tk)
			if fault.Reason != c.reason || (m != nil && m.Count() != c.values) || (fault.Reason != protocol.Accepted && m != nil) {
				t.Errorf("%s: %v, %+v", c.what, fault.Reason, m)
			}
		})
		var books settled
		terms, _ := h.checkLaw(&books)
		if terms.Pending != uint64(c.values) || (c.reason != protocol.Accepted) != (terms.Counts.Rejected[c.reason] == 1) {
			t.Errorf("%s: %+v", c.what, terms)
		}
		h.close()
	}
}

// TestReplacedGauges gives a gauge's first delta to one batch together with
// values that came before it: all stand in one order, in the record as well.
func TestReplacedGauges(t *testing.T) {
	log := &memory{}
	h := newHarness(t, 2, log, nil)
	h.send(0, "other:1|c\ng:5|g\nx:7|g\ng:+2|g\ng:1|g|T1700000001\ng:9|g|T1699990000\n")
	var b record.Batch
	if err := record.DecodeBatch(log.records[len(log.records)-1], &b); err != nil {
		t.Fatal(err)
	}
	want := []record.Ordered{{Ref: 1, Value: 5}, {Ref: 1, Delta: true, Value: 2}, {Ref: 1, Value: 1}}
	if !reflect.DeepEqual(b.Ordered, want) || len(b.Samples) != 2 || len(b.Timed) != 1 {
		t.Errorf("logged as %+v, want %+v in order", b, want)
	}
	// The other lane has a plain value under way when the gauge turns.
	h.send(1, "y:1|g\n")
	entered, turned := make(chan struct{}), make(chan struct{})
	done := make(chan *job, 1)
	go func() {
		done <- h.do(1, func(t *Taker) {
			takeLines(t, "y:3|g\n")
			close(entered)
			<-turned
		})
	}()
	<-entered
	h.send(0, "y:+1|g\n")
	close(turned)
	<-done
	if err := record.DecodeBatch(log.records[len(log.records)-1], &b); err != nil {
		t.Fatal(err)
	}
	if len(b.Samples) != 0 || len(b.Ordered) != 1 || b.Ordered[0].Delta || b.Ordered[0].Value != 3 {
		t.Errorf("the value that was under way is logged as %+v", b)
	}
}
