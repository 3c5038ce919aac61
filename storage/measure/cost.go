package measure

import (
	"slices"
	"strings"
	"time"
)

// stage is what processor time is spent on.
type stage int

const (
	making     stage = iota // points: a daemon's fold does that, at a price of its own
	storing                 // encoding and flushing
	compacting              // hours, with their rows by the hour
	rolling                 // days, by the minute

	numStages
)

// spent is the processor time of each stage, seconds.
type spent [numStages]float64

// spend counts this process's time from now until the function that it returns is
// called. Stages may be nested: the inner one takes what it takes from the outer.
func (r *run) spend(s stage) func() {
	if r.CPU == nil {
		return func() {}
	}
	before, others := r.CPU(), r.spent.sum()
	return func() { r.spent[s] += r.CPU() - before - (r.spent.sum() - others) }
}

// serve counts the database server's time in the same way. It is asked for by the
// hour: reading /proc takes longer than a flush, and counts ticks of 10 ms.
func (r *run) serve(s stage) func() {
	if r.Server == nil {
		return func() {}
	}
	before := r.Server()
	return func() { r.served[s] += r.Server() - before }
}

func (s *spent) sum() (sum float64) {
	for _, one := range s {
		sum += one
	}
	return sum
}

// costs tells what a million points cost, as a whole and stage by stage.
func (r *run) costs(took time.Duration) []Result {
	points := float64(r.set.points)
	one := func(name string, cpu float64) Result {
		return Result{Name: name, Ops: r.set.points, CPUSPerMillion: cpu / points * 1e6}
	}
	all := one("store, compact, roll up", r.spent.sum()-r.spent[making]+r.served.sum())
	all.PerSecond = points / took.Seconds()
	list := []Result{all}
	for s, name := range map[stage]string{storing: "  encode and flush", compacting: "  compact", rolling: "  roll up days"} {
		list = append(list, one(name, r.spent[s]+r.served[s]))
	}
	slices.SortFunc(list[1:], func(a, b Result) int { return strings.Compare(a.Name, b.Name) })
	if server := r.served.sum(); server > 0 {
		list = append(list, one("  of all that, the server", server))
	}
	return append(list, one("making the points, apart", r.spent[making]))
}
