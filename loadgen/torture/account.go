package torture

import (
	"fmt"
	"math"

	"example.com/nexusctl/protocol/api"
)

// A sender's unit n is an increment by value(n) of a counter of its own. The
// sum over a whole prefix of its units tells how many they are; a unit that is
// missing in the middle, or there twice, gives a sum that no prefix has, or
// that of another one.
const (
	wheel    = 1000 // values go round from 1 to wheel
	wheelSum = wheel * (wheel + 1) / 2
)

// value is what unit n, counted from 1, adds.
func value(n uint64) uint64 { return (n-1)%wheel + 1 }

// sumOf is what units 1 to n add up to.
func sumOf(n uint64) uint64 {
	rest := n % wheel
	return n/wheel*wheelSum + rest*(rest+1)/2
}

// countOf is sumOf turned round: how many units add up to sum, or the most
// that do not exceed it where no number of them does.
func countOf(sum uint64) (n uint64, exact bool) {
	rest := sum % wheelSum
	k := uint64((math.Sqrt(float64(8*rest+1)) - 1) / 2)
	for k*(k+1)/2 > rest {
		k--
	}
	for (k+1)*(k+2)/2 <= rest {
		k++
	}
	n = sum/wheelSum*wheel + k
	return n, sumOf(n) == sum
}

// claim is what one sender knows that the daemon must have, and the sum that
// the daemon says it has.
type claim struct {
	who    string
	units  uint64
	stored float64
}

// check returns at least how many units are missing or there twice.
func (c claim) check() (lost, duplicated uint64, fault string) {
	want := sumOf(c.units)
	if c.stored == float64(want) {
		return 0, 0, ""
	}
	have, exact := countOf(uint64(max(c.stored, 0)))
	fault = fmt.Sprintf("%s: %d units add up to %d, stored is %.0f", c.who, c.units, want, c.stored)
	switch {
	case c.stored < float64(want):
		return max(c.units-min(have, c.units), 1), 0, fault
	case exact:
		return 0, max(have-c.units, 1), fault
	}
	return 0, max(have+1-min(c.units, have), 1), fault
}

// prefix says what of a sender without acknowledgements is left after a kill:
// its sum must be that of a prefix, no longer than what it wrote and no
// shorter than what was certain.
func prefix(who string, stored float64, written, certain uint64) (units uint64, err error) {
	units, exact := countOf(uint64(max(stored, 0)))
	switch {
	case !exact || stored != math.Trunc(stored):
		return units, broken("%s: the stored sum %.0f is that of no prefix of what it sent", who, stored)
	case units > written:
		return units, broken("%s: %d units are stored, it sent %d", who, units, written)
	case units < certain:
		return units, broken("%s: %d units are stored, of which %d were answered for by the log", who, units, certain)
	}
	return units, nil
}

// expectation is what the ledger must have gained, all senders together.
type expectation struct {
	kept uint64 // units that every sender answers for
	bad  uint64 // lines that must be rejected
}

// judgeLedger compares the ledger's gain with what is expected. Units that a
// kill shed may be any number here: each kill was judged by itself.
func judgeLedger(before, after api.Ledger, e expectation) (lost, duplicated uint64, faults []string) {
	say := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	kept := keptBy(after) - keptBy(before)
	if kept != e.kept {
		say("the ledger has gained %d units, the senders answer for %d", kept, e.kept)
		lost, duplicated = e.kept-min(kept, e.kept), kept-min(kept, e.kept)
	}
	for reason, n := range after.Rejected {
		want := uint64(0)
		if reason == badReason {
			want = e.bad
		}
		if n-before.Rejected[reason] != want {
			say("the ledger has rejected %d units as %s, expected are %d", n-before.Rejected[reason], reason, want)
		}
	}
	if e.bad > 0 && after.Rejected[badReason] == 0 {
		say("the ledger has rejected nothing as %s, expected are %d", badReason, e.bad)
	}
	for reason, n := range after.Shed {
		if reason != crashReason && n != before.Shed[reason] {
			say("the ledger has shed %d units for %s", n-before.Shed[reason], reason)
		}
	}
	if d := after.Dead - before.Dead + after.Lost - before.Lost; d != 0 {
		say("the ledger has %d units as dead or lost", d)
	}
	if err := after.Check(); err != nil {
		say("%v", err)
	}
	return lost, duplicated, faults
}

// Reasons of the ledger that the experiments bring about.
const (
	badReason   = "number"
	crashReason = "crash"
)

func keptBy(l api.Ledger) uint64 { return l.Stored + l.Pending }

// crash is what one kill cost.
type crash struct {
	missing uint64 // lines without acknowledgement that were written and are gone
	shed    uint64 // units that the ledger counts as shed by it
	open    uint64 // units of acknowledged senders that were under way
}

// check holds the kill's shed to what can have been read and not logged:
// lines that are gone, and batches that come again.
func (c crash) check() error {
	if c.shed > c.missing+c.open {
		return broken("the ledger says that the kill shed %d units; %d lines are missing and %d units were under way", c.shed, c.missing, c.open)
	}
	return nil
}
