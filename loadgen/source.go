package loadgen

import (
	"bytes"
	"math/rand/v2"
	"strconv"
	"sync"

	"example.com/nexusctl/protocol"
)

// feed is where connections get their lines. It counts what it hands out; what
// was not sent after all is given back.
type feed interface {
	// take returns up to n lines, at least one, in up to limit bytes. They may
	// stand in buf.
	take(buf []byte, n int64, limit int) batch
	// giveBack counts only the first kept lines of a batch.
	giveBack(b batch, kept int64)
	// tally returns what was taken and not given back, by series.
	tally() []tally
}

// batch is whole lines, ready to be written.
type batch struct {
	bytes []byte
	lines int64
	from  int64    // Ring: number of the first line
	state rand.PCG // Source: to draw the same again
}

// tally is what was sent of one series.
type tally struct{ count, sum int64 }

// maxLine bounds a line of ours: prefix, number, 20 tags.
const maxLine = 2048

// Source renders lines. The same seed gives the same sequence of lines; which
// connection carries which is left to chance where several share the source.
type Source struct {
	mu    sync.Mutex
	lines *lines
	draws draws
	sent  []tally
}

// NewSource returns a source of lines of the shape.
func NewSource(s Shape) *Source {
	s = s.complete()
	return newSource(newLines(s), newDraws(s))
}

func newSource(l *lines, d draws) *Source {
	return &Source{lines: l, draws: d, sent: make([]tally, len(l.rows))}
}

// Append renders the next line and counts it.
func (s *Source) Append(dst []byte) []byte {
	i, value := s.draws.next()
	s.sent[i].count++
	s.sent[i].sum += value
	return s.lines.append(dst, i, value)
}

func (s *Source) take(buf []byte, n int64, limit int) batch {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := batch{state: s.draws.rand}
	for b.lines < n && (b.lines == 0 || len(buf) <= limit-maxLine) {
		buf = s.Append(buf)
		b.lines++
	}
	b.bytes = buf
	return b
}

// giveBack draws the lines that were not sent once more, and counts them down.
func (s *Source) giveBack(b batch, kept int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	again := s.draws
	again.rand = b.state
	for line := range b.lines {
		if i, value := again.next(); line >= kept {
			s.sent[i].count--
			s.sent[i].sum -= value
		}
	}
}

func (s *Source) tally() []tally { return s.sent }

// append renders one line.
func (l *lines) append(dst []byte, i int, value int64) []byte {
	r := &l.rows[i]
	mid, end := r.at+uint64(r.head), r.at+uint64(r.head)+uint64(r.tail)
	dst = append(dst, l.bytes[r.at:mid]...)
	dst = strconv.AppendInt(dst, value, 10)
	return append(dst, l.bytes[mid:end]...)
}

// Account is what a run has sent, by series.
type Account struct {
	lines *lines
	feeds []feed
}

// Total is what was sent of one series.
type Total struct {
	Name  string
	Tags  string // as on a text line: "tag0:value3,tag1:value1"
	Type  protocol.Type
	Count int64 // values
	Sum   int64 // of the values
}

// Totals returns what was sent of every series, those with nothing included.
func (a *Account) Totals() []Total {
	totals := make([]Total, len(a.lines.rows))
	for i := range totals {
		tags := a.lines.appendTags(nil, i, "", ",", ":", "")
		totals[i] = Total{Name: string(a.lines.appendName(nil, i)), Tags: string(tags), Type: a.lines.typ(i)}
	}
	for _, f := range a.feeds {
		for i, t := range f.tally() {
			totals[i].Count += t.count
			totals[i].Sum += t.sum
		}
	}
	return totals
}

// wholeLines counts the lines that end within b.
func wholeLines(b []byte) int64 { return int64(bytes.Count(b, []byte{'\n'})) }
