// Package ledger keeps the accounting law: every unit received is stored,
// pending, dead, rejected, shed or lost, and the sum is exact in every answer.
//
// Each term is counted where it happens, by whoever makes it happen: received
// by the lane that read the line, before it is logged; rejected and shed in the
// generation that logged them; pending by the tables that hold the values;
// stored by the transaction that committed them. Nothing is derived from the
// law, so a breach of it is a fault found and not a rounding.
//
// The package is pure but for Page, and imports no other of the daemon's.
package ledger

import (
	"fmt"
	"maps"

	"example.com/nexusctl/protocol"
)

// Counts are the terms of units that are not accepted values. The zero value
// counts nothing.
type Counts struct {
	Rejected   [protocol.NumReasons]uint64
	Shed       [protocol.NumSheds]uint64
	Duplicates uint64
	Lost       uint64
}

// Add adds o's counts to c's.
func (c *Counts) Add(o *Counts) {
	for i, n := range o.Rejected {
		c.Rejected[i] += n
	}
	for i, n := range o.Shed {
		c.Shed[i] += n
	}
	c.Duplicates += o.Duplicates
	c.Lost += o.Lost
}

// Refused returns the rejected and the shed units.
func (c *Counts) Refused() (n uint64) {
	for _, r := range c.Rejected {
		n += r
	}
	for _, s := range c.Shed {
		n += s
	}
	return n
}

// RejectedByName returns the rejected units by reason, without zeros.
func (c *Counts) RejectedByName() map[string]uint64 {
	m := map[string]uint64{}
	for i, n := range c.Rejected {
		if n > 0 {
			m[protocol.Reason(i).String()] = n
		}
	}
	return m
}

// ShedByName returns the shed units by reason, without zeros.
func (c *Counts) ShedByName() map[string]uint64 {
	m := map[string]uint64{}
	for i, n := range c.Shed {
		if n > 0 {
			m[protocol.Shed(i).String()] = n
		}
	}
	return m
}

// Statement is one answer of the ledger, in units since the store's creation.
type Statement struct {
	Received, Stored, Pending uint64
	Rejected, Shed            map[string]uint64
	Dead, Lost                uint64
	Duplicates                uint64 // repeated units, outside Received
}

// Accounted returns what the law says was received.
func (s Statement) Accounted() uint64 {
	n := s.Stored + s.Pending + s.Dead + s.Lost
	for _, c := range s.Rejected {
		n += c
	}
	for _, c := range s.Shed {
		n += c
	}
	return n
}

// Check returns an error that names the difference where the law is broken.
func (s Statement) Check() error {
	if a := s.Accounted(); a != s.Received {
		return fmt.Errorf("ledger: received %d, accounted for %d, difference %d", s.Received, a, int64(s.Received-a))
	}
	return nil
}

// Add adds the terms of o to s.
func (s *Statement) Add(o Statement) {
	s.Received += o.Received
	s.Stored += o.Stored
	s.Pending += o.Pending
	s.Dead += o.Dead
	s.Lost += o.Lost
	s.Duplicates += o.Duplicates
	s.Rejected = addCounts(s.Rejected, o.Rejected)
	s.Shed = addCounts(s.Shed, o.Shed)
}

func addCounts(a, b map[string]uint64) map[string]uint64 {
	sum := maps.Clone(a)
	if sum == nil {
		sum = map[string]uint64{}
	}
	for k, n := range b {
		sum[k] += n
	}
	return sum
}
