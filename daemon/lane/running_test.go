package lane

import (
	"fmt"
	"strings"
	"testing"

	"example.com/nexusctl/daemon/admit"
)

// follow asks how far the named series have come in the bucket.
func (h *harness) follow(bucket int64, names ...string) (Progress, []*admit.Series) {
	h.t.Helper()
	var list []*admit.Series
	for _, name := range names {
		list = append(list, h.catalog.ByName(name)...)
	}
	p, err := h.set.Progress(h.t.Context(), list, bucket)
	if err != nil {
		h.t.Fatal(err)
	}
	return p, list
}

// drawnRunning renders an answer: what each series has come to.
func drawnRunning(p Progress) string {
	if !p.Settled {
		return "unsettled"
	}
	var parts []string
	for _, r := range p.List {
		text := fmt.Sprintf("%g", r.Value)
		switch {
		case r.Hist != nil:
			text = fmt.Sprintf("h%g/%g", r.Hist.Count, r.Hist.Sum())
		case !r.Known:
			text = "?"
		case !r.Any:
			text = "-"
		}
		if r.Neg != 0 {
			text += fmt.Sprintf("(%g)", r.Neg)
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, " ")
}

// TestProgress walks through a bucket that is closed early twice, and its end:
// what comes over several lanes, generations and references of one series adds
// up, and only the end of the bucket begins anew.
func TestProgress(t *testing.T) {
	h := newHarness(t, 2, realLog(t), nil)
	names := []string{"c", "g", "t", "o"}
	bucket := int64(startTime)
	expect := func(what, want string) {
		t.Helper()
		if p, _ := h.follow(bucket, names...); drawnRunning(p) != want {
			t.Errorf("%s: %s, want %s", what, drawnRunning(p), want)
		}
	}
	h.send(0, "c:1|c\ng:7|g\nt:5|ms\no:1|g\no:+1|g\n")
	expect("the first bucket may have begun in another process", "? ? h1/5 2")
	h.mark()
	bucket += 10_000
	expect("a new bucket", "- - - -")
	h.send(0, "c:1|c\nc:-3|c\nc:1|c|@0.5\ng:4|g\nt:5|ms\nt:6|ms\n")
	h.send(1, "c:10|c\ng:9|g\nt:1|ms\no:+5|g\n")
	expect("two lanes", "13(-3) 9 h3/12 7")
	expect("a distribution is told once", "13(-3) 9 0 7")
	h.send(0, "t:2|ms\n")
	early(h)
	expect("closed early", "13(-3) 9 h1/2 7")
	h.send(1, "c:1|c\n")
	h.send(0, "t:3|ms\nt:3|ms\no:-1|g\n")
	early(h)
	h.send(0, "g:1|g\nt:4|ms\n")
	expect("and once more", "14(-3) 1 h3/10 6")
	names = append(names, "late")
	h.send(0, "late:1|c\n")
	expect("a series that joins behind an early end", "14(-3) 1 0 6 ?")
	h.mark()
	expect("another bucket is open", "unsettled")
	bucket += 10_000
	h.send(0, "c:2|c\nlate:3|c\nt:9|ms\n")
	expect("from there on it is known", "2 - h1/9 - 3")
	if p, _ := h.follow(bucket); p.Held != 0 || len(p.List) != 0 {
		t.Errorf("nobody asks: %+v", p)
	}
}

// early closes the generation within its bucket.
func early(h *harness) {
	h.t.Helper()
	if err := h.set.Mark(); err != nil {
		h.t.Fatal(err)
	}
}

// TestProgressHolds: the lanes say how much memory following takes, and let go of
// it when less is asked for.
func TestProgressHolds(t *testing.T) {
	h := newHarness(t, 1, realLog(t), nil)
	h.mark()
	var lines strings.Builder
	for i := range 100 {
		fmt.Fprintf(&lines, "t:%d|ms|#i:%d\n", i, i)
	}
	h.send(0, lines.String())
	p, list := h.follow(startTime+10_000, "t")
	if len(list) != 100 || p.Held < 100*100 {
		t.Errorf("%d distributions hold %d bytes", len(list), p.Held)
	}
	if p, err := h.set.Progress(t.Context(), list[:10], startTime+10_000); err != nil || p.Held > 10*1000 {
		t.Errorf("ten of them hold %d bytes, %v", p.Held, err)
	}
}
