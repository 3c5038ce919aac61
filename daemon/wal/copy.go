package wal

import "fmt"

// Copy gives the log's files from a position on to the log's end, each as it
// would have to stand for a log of its own: frames that are whole, and nothing
// behind them. reserve is how long the file was made. One segment is in memory
// at a time. It may run beside the log that writes them; what is appended
// meanwhile may be in it or not. It returns the end, and the checksum of the
// frame that ends there.
func (v *Survey) Copy(from Position, file func(name string, content []byte, reserve int64) error) (end Position, chain uint32, err error) {
	s := v.scan
	first := v.at(from)
	if first < 0 {
		return 0, 0, fmt.Errorf("copy the log: it does not reach back to %d", from)
	}
	s.visit = nil
	s.end, s.chain = s.segments[first].after, s.segments[first].head.chain
	for i := first; i < len(s.segments); i++ {
		g := s.segments[i]
		if g.fault != "" {
			return 0, 0, s.corrupt(i, 0, g.fault)
		}
		if g.after != s.end || g.head.chain != s.chain {
			return 0, 0, s.corrupt(i, 0, "the segment does not continue the one before it")
		}
		b, unread, err := s.load(i)
		if err != nil {
			return 0, 0, err
		}
		s.end = g.base
		if err := s.walk(i, b, g.header(), unread); err != nil {
			return 0, 0, err
		}
		if err := file(g.name(), b[:g.offset(s.end)], g.size); err != nil {
			return 0, 0, err
		}
	}
	return s.end, s.chain, s.reachesMark()
}

// at finds the segment in which a position stands; -1 where none does.
func (v *Survey) at(p Position) int {
	found := -1
	for i, g := range v.scan.segments {
		if g.after <= p {
			found = i
		}
	}
	return found
}

// Chain returns the checksum of the frame that ends at a position, and false
// where none does. Logs that agree in it agree in all that stands before.
func (v *Survey) Chain(p Position) (chain uint32, ok bool, err error) {
	s := v.scan
	i := v.at(p)
	if i < 0 {
		return 0, false, nil
	}
	if g := s.segments[i]; g.after == p && p > 0 {
		return g.head.chain, g.fault == "", nil
	}
	s.visit = func(_ []byte, at Span) error {
		if at.To == p {
			chain, ok = s.chain, true
		}
		return nil
	}
	s.end, s.chain = s.segments[i].after, s.segments[i].head.chain
	damage, err := damageIn(s.goOn(i))
	if damage != nil && !ok {
		return 0, false, nil
	}
	return chain, ok, err
}
