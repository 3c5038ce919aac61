package loadgen

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func anyPacer(t *rapid.T) Pacer {
	name := rapid.SampledFrom(Profiles()).Draw(t, "profile")
	rate := rapid.OneOf(rapid.Float64Range(0.5, 100), rapid.Float64Range(100, 1e7)).Draw(t, "rate")
	length := time.Duration(rapid.Int64Range(int64(time.Millisecond), int64(100*time.Second)).Draw(t, "length"))
	p, err := Profile(name, rate, length)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestDueGrows: what is due never shrinks, and ends at the total.
func TestDueGrows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := anyPacer(t)
		a := time.Duration(rapid.Int64Range(0, int64(p.Length())).Draw(t, "a"))
		b := time.Duration(rapid.Int64Range(0, int64(p.Length())).Draw(t, "b"))
		if p.Due(min(a, b)) > p.Due(max(a, b)) {
			t.Errorf("due shrinks from %d to %d between %s and %s", p.Due(min(a, b)), p.Due(max(a, b)), min(a, b), max(a, b))
		}
		if p.Due(p.Length()) != p.Total() || p.Due(p.Length()+time.Hour) != p.Total() || p.Due(-1) != 0 {
			t.Error("due does not begin at 0 and end at the total")
		}
	})
}

// TestAtIsInverseOfDue: a send is due at the first nanosecond that counts it.
func TestAtIsInverseOfDue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := anyPacer(t)
		n := rapid.Int64Range(0, max(p.Total()-1, 0)).Draw(t, "n")
		at := p.At(n)
		if got := p.Due(at); got <= n {
			t.Errorf("Due(At(%d)) = %d", n, got)
		}
		if at > 0 && p.Due(at-1) > n {
			t.Errorf("send %d was due before %s", n, at)
		}
		if p.At(p.Total()) != p.Length() {
			t.Error("a send past the total is due within the run")
		}
	})
}

// TestDueFollowsRate: the integral grows by the rate.
func TestDueFollowsRate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := anyPacer(t)
		const steps = 2000
		step := p.Length().Seconds() / steps
		sum, jumps, last := 0.0, 0.0, 0.0
		for i := range steps {
			rate := p.Rate(p.Length() * time.Duration(2*i+1) / (2 * steps))
			jumps += math.Abs(rate-last) * step // a step that a jump falls into is off by it at most
			last = rate
			sum += rate * step
		}
		if d := math.Abs(sum - float64(p.Total())); d > 2+sum/500+jumps {
			t.Errorf("the rate adds up to %.1f, the total is %d", sum, p.Total())
		}
	})
}

func TestProfiles(t *testing.T) {
	for _, c := range []struct {
		name   string
		rate   float64
		length time.Duration
		total  int64
		rates  map[time.Duration]float64
	}{
		{"constant", 10, 10 * time.Second, 100, map[time.Duration]float64{0: 10, 10 * time.Second: 10, 11 * time.Second: 0}},
		{"ramp", 10, 10 * time.Second, 50, map[time.Duration]float64{0: 0, 5 * time.Second: 5, 10 * time.Second: 10}},
		{"spike", 10, 10 * time.Second, 50, map[time.Duration]float64{0: 0, 5 * time.Second: 10, 9 * time.Second: 2}},
		{"burst", 10, 10 * time.Second, 28, map[time.Duration]float64{0: 10, 2 * time.Second: 1, 5500 * time.Millisecond: 10}},
		{"burst", 10, 500 * time.Millisecond, 5, nil},
	} {
		p, err := Profile(c.name, c.rate, c.length)
		if err != nil || p.Total() != c.total || p.Length() != c.length {
			t.Errorf("%s: total %d, length %s, error %v, want %d and %s", c.name, p.Total(), p.Length(), err, c.total, c.length)
		}
		for at, want := range c.rates {
			if got := p.Rate(at); got < want-1e-9 || got > want+1e-9 {
				t.Errorf("%s: rate %v at %s, want %v", c.name, got, at, want)
			}
		}
	}
	if _, err := Profile("sawtooth", 1, time.Second); err == nil {
		t.Error("an unknown profile is taken")
	}
}

// TestDeal: connections get every send once, in rising order, each its own.
func TestDeal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := deal{rapid.Int64Range(1, 20).Draw(t, "connections"), rapid.Int64Range(1, 9).Draw(t, "block")}
		total := rapid.Int64Range(0, 500).Draw(t, "total")
		seen := map[int64]bool{}
		for c := range d.connections {
			last := int64(-1)
			for n := range d.due(c, total) {
				number := d.number(c, n)
				if number <= last || number >= total || seen[number] {
					t.Fatalf("connection %d: its send %d is number %d of %d", c, n, number, total)
				}
				last, seen[number] = number, true
			}
		}
		if int64(len(seen)) != total {
			t.Errorf("%d of %d sends were dealt", len(seen), total)
		}
	})
}

func TestParseRate(t *testing.T) {
	for in, want := range map[string]float64{"500": 500, "200k": 200e3, "1M": 1e6, "1.5M/s": 1.5e6, "0.5": 0.5} {
		if got, err := ParseRate(in); err != nil || got != want {
			t.Errorf("%q is %v, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "fast", "-1", "0", "NaN", "1e11", "1kk"} {
		if got, err := ParseRate(in); err == nil {
			t.Errorf("%q is taken as %v", in, got)
		}
	}
}
