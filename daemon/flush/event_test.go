package flush_test

import (
	"slices"
	"strings"
	"testing"

	"example.com/nexusctl/daemon/deadletter"
	"example.com/nexusctl/daemon/ledger"
	"example.com/nexusctl/storage"
)

// events returns the titles of the stored events, newest first, and newest last
// among those of one time.
func (p *pipeline) events() (titles []string) {
	p.t.Helper()
	_, err := p.store.Events(p.t.Context(), storage.EventQuery{To: 1 << 60}, func(e *storage.Event) bool {
		titles = append(titles, e.Title)
		return true
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return titles
}

// refusesEvents refuses flushes that hold an event with the word in its title.
func refusesEvents(word string) func(storage.Flush) bool {
	return func(f storage.Flush) bool {
		return slices.ContainsFunc(f.Events, func(e storage.Event) bool { return strings.Contains(e.Title, word) })
	}
}

// TestEventsAreStored stores events with the position of their log, and counts
// each once, over a store that is away and commits whose answer was lost.
func TestEventsAreStored(t *testing.T) {
	p := newPipeline(t, usual)
	p.faulty.set(failing("commit", 1, errAway), failing("commit", 1, errAway))
	stop := p.run()
	p.send(0, "_e{3,1}:one|x|d:1700000001\nhits:1|c\n_e{3,2}:two|x\n")
	p.send(1, "_sc|three|2|d:1700000003\n_sc|bad|9\n")
	p.mark()
	p.drained()
	p.law(ledger.Statement{Stored: 3})
	p.send(0, "_e{4,0}:four||d:1700000004\n")
	p.mark()
	p.drained()
	p.law(ledger.Statement{Stored: 4})
	if err := stop(); err != nil {
		t.Error(err)
	}
	if got := strings.Join(p.events(), " "); got != "four three one" {
		t.Errorf("stored are %s", got)
	}
}

// TestRefusedEvents keeps what the store will not take of the events as dead
// letters, stores the others, and brings them back or drops them.
func TestRefusedEvents(t *testing.T) {
	p := newPipeline(t, usual)
	p.faulty.refuse = refusesEvents("bad")
	stop := p.run()
	p.send(0, "_e{1,1}:a|x|d:1700000001\n_e{4,1}:bad1|x|d:1700000002\nhits:1|c\n_e{4,1}:bad2|x|d:1700000003\n_e{1,1}:b|x|d:1700000004\n")
	p.mark()
	p.drained()
	p.law(ledger.Statement{Stored: 3, Dead: 2})
	list := p.waiting()
	if len(list) != 1 || list[0].Letter.Units != 2 || list[0].Letter.Shard != deadletter.Events {
		t.Fatalf("letters %+v", list)
	}
	if s, err := p.settle(deadletter.Replay); err != nil || s.Letters != 1 || s.Units != 2 || s.Refused != 2 {
		t.Errorf("%+v, %v", s, err)
	}
	p.faulty.mu.Lock()
	p.faulty.refuse = refusesEvents("bad1")
	p.faulty.mu.Unlock()
	if s, err := p.settle(deadletter.Replay); err != nil || s.Units != 2 || s.Refused != 1 {
		t.Errorf("%+v, %v", s, err)
	}
	p.law(ledger.Statement{Stored: 4, Dead: 1})
	if got := strings.Join(p.events(), " "); got != "b bad2 a" {
		t.Errorf("stored are %s", got)
	}
	if s, err := p.settle(deadletter.Drop); err != nil || s.Units != 1 {
		t.Errorf("%+v, %v", s, err)
	}
	p.law(ledger.Statement{Stored: 4, Shed: map[string]uint64{"dropped": 1}})
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// TestRefusedTogether gives every event up where the store refuses one of them,
// and the others too beside what else the flush holds.
func TestRefusedTogether(t *testing.T) {
	p := newPipeline(t, usual)
	one := refusesEvents("a")
	p.faulty.refuse = func(f storage.Flush) bool { return one(f) || len(f.Events) > 0 && len(f.Blocks) > 0 }
	stop := p.run()
	p.send(0, "_e{1,1}:a|x\n_e{1,1}:b|x\n_e{1,1}:c|x\nhits:1|c\n")
	p.mark()
	p.drained()
	if err := stop(); err != nil {
		t.Error(err)
	}
	p.law(ledger.Statement{Stored: 1, Dead: 3})
	if got := p.events(); len(got) != 0 {
		t.Errorf("stored are %q", got)
	}
}
