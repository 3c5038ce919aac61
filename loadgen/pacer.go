package loadgen

import (
	"math"
	"sort"
	"time"
)

// Pacer says when what is due: a rate as a function of time, made of straight
// pieces so that its integral and the integral's inverse have closed forms. It
// knows nothing of what was sent. A sender that falls behind therefore owes
// what it has missed, and its latency counts from the moment that was intended.
type Pacer struct {
	pieces []piece
	length time.Duration
	total  int64
	peak   float64
}

// piece is a stretch in which the rate changes evenly. Times are seconds.
type piece struct {
	from   float64 // where it begins
	before float64 // sends due before it
	rate   float64 // at its beginning
	slope  float64 // change of the rate, per second
}

// stretch is a piece as a profile states it.
type stretch struct {
	length   time.Duration
	from, to float64 // rates at its ends
}

// roundingSlack is the share of a send that floating-point sums may be off by:
// ten sends a second for ten seconds are a hundred, not a hundred and one.
const roundingSlack = 1e-6

// newPacer joins stretches; those without length are left out.
func newPacer(stretches []stretch) Pacer {
	var p Pacer
	sum := 0.0
	for _, s := range stretches {
		if s.length <= 0 {
			continue
		}
		seconds := s.length.Seconds()
		p.pieces = append(p.pieces, piece{p.length.Seconds(), sum, s.from, (s.to - s.from) / seconds})
		p.length += s.length
		p.peak = max(p.peak, s.from, s.to)
		sum += (s.from + s.to) / 2 * seconds
	}
	p.total = int64(math.Ceil(sum - roundingSlack))
	return p
}

// Unpaced returns a pacer without a rate: a sender sends as fast as it can. The
// loop is closed then, and latency counts from when a batch was begun.
func Unpaced(length time.Duration) Pacer { return Pacer{length: length} }

// Paced reports whether there is a rate to keep.
func (p Pacer) Paced() bool { return len(p.pieces) > 0 }

// Length returns how long the pacer has something due.
func (p Pacer) Length() time.Duration { return p.length }

// Total returns how many sends are due in all.
func (p Pacer) Total() int64 { return p.total }

// Peak returns the highest rate, in sends a second.
func (p Pacer) Peak() float64 { return p.peak }

// Rate returns the rate at elapsed since the start.
func (p Pacer) Rate(elapsed time.Duration) float64 {
	if !p.Paced() || elapsed < 0 || elapsed > p.length {
		return 0
	}
	s := elapsed.Seconds()
	q := p.at(s)
	return q.rate + q.slope*(s-q.from)
}

// Due returns how many sends are due at elapsed since the start. Send n, from
// 0, is due when the rate's integral reaches n.
func (p Pacer) Due(elapsed time.Duration) int64 {
	switch {
	case elapsed < 0 || !p.Paced():
		return 0
	case elapsed >= p.length:
		return p.total
	}
	s := elapsed.Seconds()
	q := p.at(s)
	t := s - q.from
	return min(int64(q.before+q.rate*t+q.slope*t*t/2)+1, p.total)
}

// At returns when send n is due, since the start: the first nanosecond at which
// Due counts it.
func (p Pacer) At(n int64) time.Duration {
	if n >= p.total {
		return p.length
	}
	i := sort.Search(len(p.pieces), func(i int) bool { return p.pieces[i].before > float64(n) })
	q := p.pieces[max(i-1, 0)]
	at := time.Duration((q.from + q.until(float64(n)-q.before)) * float64(time.Second))
	at = min(max(at, 0), p.length)
	for at < p.length && p.Due(at) <= n {
		at++
	}
	for at > 0 && p.Due(at-1) > n {
		at--
	}
	return at
}

// at returns the piece in which s seconds lies.
func (p Pacer) at(s float64) piece {
	i := sort.Search(len(p.pieces), func(i int) bool { return p.pieces[i].from > s })
	return p.pieces[max(i-1, 0)]
}

// until returns the seconds into the piece after which n of its sends are due.
// This form of the quadratic's root loses no digits where the slope is small.
func (q piece) until(n float64) float64 {
	root := math.Sqrt(max(q.rate*q.rate+2*q.slope*n, 0))
	if q.rate+root == 0 {
		return 0
	}
	return 2 * n / (q.rate + root)
}
