package torture

import "time"

// plan tells how far a run has come, by what its cycles weigh.
type plan struct {
	opts   *Options
	chosen []experiment
	began  time.Time
}

func newPlan(o *Options, chosen []experiment) *plan {
	return &plan{opts: o, chosen: chosen, began: time.Now()}
}

// stage is one experiment's place in the plan.
type stage struct {
	plan   *plan
	index  int
	cycles int       // 0 where time decides
	until  time.Time // zero where cycles decide
}

// at returns the stage of experiment i, which begins now. Time that earlier
// ones left is shared by those that are still to come.
func (p *plan) at(i int) stage {
	s := stage{plan: p, index: i, cycles: p.opts.Cycles}
	switch {
	case p.opts.Duration > 0:
		left := max(p.opts.Duration-time.Since(p.began), 0)
		s.until = time.Now().Add(left / time.Duration(len(p.chosen)-i))
	case s.cycles == 0:
		s.cycles = p.chosen[i].cycles
	}
	return s
}

// more reports whether another cycle begins; the first one always does.
func (s *stage) more(done int) bool {
	if done == 0 {
		return true
	}
	return (s.cycles == 0 || done < s.cycles) && (s.until.IsZero() || time.Now().Before(s.until))
}

// tell reports progress after done cycles.
func (s *stage) tell(done int) {
	if s.plan.opts.Progress == nil {
		return
	}
	elapsed := time.Since(s.plan.began)
	share := s.plan.share(s.index, s.cycles, done, elapsed)
	p := Progress{Experiment: s.plan.chosen[s.index].name, Cycle: done, Cycles: s.cycles, Share: share, Elapsed: elapsed}
	if share > 0 {
		p.Left = time.Duration(float64(elapsed) * (1 - share) / share)
	}
	s.plan.opts.Progress(p)
}

func (p *plan) share(index, cycles, done int, elapsed time.Duration) float64 {
	if p.opts.Duration > 0 {
		return min(elapsed.Seconds()/p.opts.Duration.Seconds(), 1)
	}
	var before, all float64
	for i, e := range p.chosen {
		n := e.cycles
		if p.opts.Cycles > 0 {
			n = p.opts.Cycles
		}
		w := float64(n) * e.weight.Seconds()
		all += w
		switch {
		case i < index:
			before += w
		case i == index:
			before += w * float64(done) / float64(max(cycles, 1))
		}
	}
	return before / all
}
