package flush_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"example.com/nexusctl/daemon/aggregate"
	"example.com/nexusctl/daemon/deadletter"
	"example.com/nexusctl/daemon/flush"
	"example.com/nexusctl/daemon/ledger"
	"example.com/nexusctl/protocol/series"
	"example.com/nexusctl/storage"
	"example.com/nexusctl/storage/block"
)

// poison refuses to name series, and blocks that hold more points than it
// likes of a series.
type poison struct {
	flush.Store
	word  string       // no key with it gets an id
	block atomic.Int64 // no block with this series is stored
	asked atomic.Int64
}

func (s *poison) Resolve(ctx context.Context, keys [][]byte) ([]int64, error) {
	s.asked.Add(1)
	for _, k := range keys {
		if s.word != "" && bytes.Contains(k, []byte(s.word)) {
			return nil, errRefused
		}
	}
	return s.Store.Resolve(ctx, keys)
}

func (s *poison) refuses(f storage.Flush) bool {
	id := s.block.Load()
	return slices.ContainsFunc(f.Blocks, func(b storage.Block) bool {
		points, err := block.FindSeries(b.Data, id, nil)
		return err != nil || id != 0 && len(points) > 0
	})
}

func (p *pipeline) law(want ledger.Statement) {
	p.t.Helper()
	var own ledger.Statement
	terms, err := p.set.Terms(p.t.Context(), func() { own = p.book.Own() })
	if err != nil {
		p.t.Fatal(err)
	}
	if own.Accounted()+terms.Pending+terms.Counts.Refused() != terms.Received {
		p.t.Errorf("the law is broken: %+v, %+v", own, terms)
	}
	if own.Stored != want.Stored || own.Dead != want.Dead || own.Shed["dropped"] != want.Shed["dropped"] {
		p.t.Errorf("the book has %+v, want %+v", own, want)
	}
	w, err := p.store.Writer(p.t.Context(), p.log.ID())
	if err != nil || w.Counts.Stored != want.Stored || w.Counts.Dead != want.Dead || w.Counts.Shed["dropped"] != want.Shed["dropped"] {
		p.t.Errorf("the store has %+v, %v, want %+v", w.Counts, err, want)
	}
}

func (p *pipeline) waiting() (list []deadletter.Waiting) {
	p.t.Helper()
	list, err := deadletter.List(p.dir)
	if err != nil {
		p.t.Fatal(err)
	}
	return list
}

// settle has dead letters settled with the next generation.
func (p *pipeline) settle(action deadletter.Action, names ...string) (flush.Settlement, error) {
	p.t.Helper()
	r := p.loop.Flusher.Request(action, names)
	p.mark()
	ctx, cancel := context.WithTimeout(p.t.Context(), 20*time.Second)
	defer cancel()
	return r.Wait(ctx)
}

// sums returns the stored sum of each counter, by key.
func (p *pipeline) sums() map[string]float64 {
	p.t.Helper()
	all, err := p.store.FindSeries(p.t.Context(), []series.Matcher(nil), 0, 1000)
	if err != nil {
		p.t.Fatal(err)
	}
	ids, names := []int64{}, map[int64]string{}
	for _, one := range all {
		ids = append(ids, one.ID)
		names[one.ID] = one.Key.String()
	}
	sel, err := p.store.Read(p.t.Context(), storage.ReadRequest{IDs: ids, From: startTime - 3600_000, To: startTime + 3600_000})
	if err != nil {
		p.t.Fatal(err)
	}
	sums := map[string]float64{}
	for _, b := range sel.Blocks {
		points, err := block.DecodeBlock(b.Data, nil)
		if err != nil {
			p.t.Fatal(err)
		}
		for _, pt := range points {
			sums[names[pt.Series]] += pt.Sum
		}
	}
	return sums
}

// TestRefusedKeys keeps what a store will not name, goes on with the rest, asks
// no more for a while, and brings it back once the store is mended.
func TestRefusedKeys(t *testing.T) {
	p := newPipeline(t, usual)
	sick := &poison{Store: p.store, word: "bad"}
	p.faulty.store = sick
	stop := p.run()
	p.send(0, "good:1|c\nbad.one:2|c\nbad.two:3|c\nbad.two:4|c\nfine:5|c\n")
	p.mark()
	p.drained()
	p.law(ledger.Statement{Stored: 2, Dead: 3})
	asked := sick.asked.Load()
	p.send(0, "good:10|c\nbad.one:20|c\n")
	p.mark()
	p.drained()
	p.law(ledger.Statement{Stored: 3, Dead: 4})
	if n := sick.asked.Load() - asked; n != 0 {
		t.Errorf("the store was asked %d times for what it had refused just now", n)
	}
	list := p.waiting()
	if len(list) != 2 || list[0].Letter.Generation != 1 || list[0].Letter.Units != 3 || len(list[0].Letter.Series) != 2 ||
		list[1].Letter.Units != 1 || !strings.Contains(list[0].Letter.Reason, "the test says") {
		t.Fatalf("letters %+v", list)
	}
	// Sent again while the store is as it was: dead again, under another name.
	s, err := p.settle(deadletter.Replay)
	if err != nil || s.Letters != 2 || s.Units != 4 || s.Refused != 4 {
		t.Errorf("%+v, %v", s, err)
	}
	p.law(ledger.Statement{Stored: 3, Dead: 4})
	if list = p.waiting(); len(list) != 1 || list[0].Letter.Generation != 3 || list[0].Letter.Units != 4 {
		t.Fatalf("letters %+v", list)
	}
	sick.word = ""
	if s, err = p.settle(deadletter.Replay, list[0].File); err != nil || s.Units != 4 || s.Refused != 0 {
		t.Errorf("%+v, %v", s, err)
	}
	p.law(ledger.Statement{Stored: 7, Dead: 0})
	if err := stop(); err != nil {
		t.Error(err)
	}
	got := p.sums()
	for key, want := range map[string]float64{"good": 11, "bad.one": 22, "bad.two": 7, "fine": 5} {
		if got[key] != want {
			t.Errorf("%s adds up to %v, want %v: %v", key, got[key], want, got)
		}
	}
	if list = p.waiting(); len(list) != 0 {
		t.Errorf("letters %+v", list)
	}
}

// TestRefusedBlocks finds the one series for which a block is refused, stores
// the others of its shard, and drops what it found.
func TestRefusedBlocks(t *testing.T) {
	p := newPipeline(t, usual)
	sick := &poison{Store: p.store}
	p.faulty.store, p.faulty.refuse = sick, sick.refuses
	stop := p.run()
	p.send(0, "a:1|c\nb:2|c\nc:3|c\nd:4|c\n")
	p.mark()
	p.drained()
	sick.block.Store(p.catalog.ByName("c")[0].ID())
	p.send(0, "a:10|c\nb:20|c\nc:30|c\nd:40|c\n")
	p.mark()
	p.drained()
	p.law(ledger.Statement{Stored: 7, Dead: 1})
	list := p.waiting()
	if len(list) != 1 || len(list[0].Letter.Series) != 1 || !strings.HasSuffix(list[0].File, "/2-0.nxd") {
		t.Fatalf("letters %+v", list)
	}
	if _, err := p.settle(deadletter.Drop, "7-7.nxd"); err == nil {
		t.Error("a letter that is none was dropped")
	}
	if s, err := p.settle(deadletter.Drop, "2-0.nxd"); err != nil || s.Letters != 1 || s.Units != 1 {
		t.Errorf("%+v, %v", s, err)
	}
	p.law(ledger.Statement{Stored: 7, Shed: map[string]uint64{"dropped": 1}})
	if err := stop(); err != nil {
		t.Error(err)
	}
	if got := p.sums(); got["a"] != 11 || got["b"] != 22 || got["c"] != 3 || got["d"] != 44 {
		t.Errorf("%v", got)
	}
}

// TestReplayedIntoLiveBucket merges what comes back with what its series has in
// the same bucket already.
func TestReplayedIntoLiveBucket(t *testing.T) {
	p := newPipeline(t, usual)
	sick := &poison{Store: p.store, word: "hits"}
	p.faulty.store = sick
	stop := p.run()
	p.send(0, "hits:1|c\nother:1|c\n")
	p.mark()
	p.drained()
	sick.word = ""
	p.send(0, "hits:2|c|T1700000000\nhits:4|c\n") // late data of the letter's bucket
	if s, err := p.settle(deadletter.Replay); err != nil || s.Units != 1 {
		t.Errorf("%+v, %v", s, err)
	}
	p.law(ledger.Statement{Stored: 4})
	if err := stop(); err != nil {
		t.Error(err)
	}
	if got := p.sums(); got["hits"] != 7 {
		t.Errorf("%v", got)
	}
	seen := 0
	for _, c := range p.stored[1:] {
		for _, b := range c.Flush.Blocks {
			points, err := block.DecodeBlock(b.Data, nil)
			if err != nil {
				t.Fatal(err)
			}
			seen += len(points)
		}
	}
	if seen != 2 {
		t.Errorf("%d points, want one for each bucket", seen)
	}
}

// TestKilledBetweenLetterAndCommit finds letters of a flush that never was, and
// a claim that was never settled: the same flush, again, comes to the same
// bytes, or takes away what is no longer dead.
func TestKilledBetweenLetterAndCommit(t *testing.T) {
	p := newPipeline(t, usual)
	sick := &poison{Store: p.store, word: "bad"}
	p.faulty.store = sick
	p.faulty.set(failing("commit", 1<<40, errAway), nil)
	stop := p.run()
	p.send(0, "good:1|c\nbad:2|c\n")
	p.mark()
	p.eventually("the letter is written", func() bool { return len(p.waiting()) == 1 })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(p.dir, deadletter.Folder, p.waiting()[0].File)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	p.law(ledger.Statement{})
	p.restart(sick)
	p.faulty.set(nil, nil)
	stop = p.run()
	p.drained()
	after, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("the letter is another one now: %v", err)
	}
	p.law(ledger.Statement{Stored: 1, Dead: 1})

	// The claim of a flush that is killed is settled by the same generation.
	sick.word = ""
	p.faulty.set(failing("commit", 1<<40, errAway), nil)
	r := p.loop.Flusher.Request(deadletter.Replay, nil)
	p.mark()
	p.eventually("the letter is claimed", func() bool { return len(p.waiting()) == 0 })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := r.Wait(ctx); err == nil {
		t.Error("settled, and the store is away")
	}
	p.law(ledger.Statement{Stored: 1, Dead: 1})
	p.restart(sick)
	p.faulty.set(nil, nil)
	stop = p.run()
	p.drained()
	p.law(ledger.Statement{Stored: 2})
	if err := stop(); err != nil {
		t.Error(err)
	}
	if got := p.sums(); got["bad"] != 2 || got["good"] != 1 {
		t.Errorf("%v", got)
	}
}

// TestLetterOfAHealedStore takes a letter away whose flush was never committed,
// when the store takes it all at the next try.
func TestLetterOfAHealedStore(t *testing.T) {
	p := newPipeline(t, usual)
	sick := &poison{Store: p.store, word: "bad"}
	p.faulty.store = sick
	p.faulty.set(failing("commit", 1<<40, errAway), nil)
	stop := p.run()
	p.send(0, "good:1|c\nbad:2|c\n")
	p.mark()
	p.eventually("the letter is written", func() bool { return len(p.waiting()) == 1 })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	sick.word = ""
	p.restart(sick)
	p.faulty.set(nil, nil)
	stop = p.run()
	p.drained()
	if err := stop(); err != nil {
		t.Error(err)
	}
	p.law(ledger.Statement{Stored: 2})
	if list := p.waiting(); len(list) != 0 {
		t.Errorf("letters %+v", list)
	}
}

// TestFailoverWithLetters moves to a copy of the store from before a letter was
// replayed: both are done again, from the log and from the settled file.
func TestFailoverWithLetters(t *testing.T) {
	p := newPipeline(t, usual)
	sick := &poison{Store: p.store, word: "bad"}
	p.faulty.store = sick
	stop := p.run()
	p.send(0, "good:1|c\nbad:2|c\n")
	p.mark()
	p.drained()
	sick.word = ""
	if s, err := p.settle(deadletter.Replay); err != nil || s.Units != 1 {
		t.Fatalf("%+v, %v", s, err)
	}
	p.law(ledger.Statement{Stored: 2})
	copied := openStore(t) // as of the very beginning
	moved := 0
	p.loop.Moved = func() { moved++ }
	p.store = copied
	p.faulty.mu.Lock()
	p.faulty.store = &poison{Store: copied, word: "bad"}
	p.faulty.mu.Unlock()
	p.send(0, "good:4|c\n")
	p.mark()
	p.drained()
	if err := stop(); err != nil {
		t.Error(err)
	}
	// The copy refuses as the first store did, and goes on doing so: what is
	// replayed is dead again, under the generation that replayed it.
	w, err := copied.Writer(t.Context(), p.log.ID())
	if err != nil || w.Counts.Stored != 2 || w.Counts.Dead != 1 || moved != 1 {
		t.Errorf("%+v, %v, moved %d times", w.Counts, err, moved)
	}
	if list := p.waiting(); len(list) != 1 || list[0].Letter.Generation != 2 {
		t.Errorf("letters %+v", list)
	}
}

// restart makes a new flusher from what the store and the directory say, as a
// new process does.
func (p *pipeline) restart(s flush.Store) {
	p.t.Helper()
	w, err := p.store.Writer(p.t.Context(), p.log.ID())
	if err != nil {
		p.t.Fatal(err)
	}
	if p.letters, err = deadletter.Open(p.dir, p.log.ID()); err != nil {
		p.t.Fatal(err)
	}
	p.faulty.mu.Lock()
	p.faulty.store = s
	p.faulty.mu.Unlock()
	p.loop.Flusher = flush.New(p.faulty, p.catalog, p.log.ID(), w.Position, p.letters, slog.New(slog.DiscardHandler))
}

// TestLettersOnABrokenDisk ends the loop: what cannot be kept must not be
// counted.
func TestLettersOnABrokenDisk(t *testing.T) {
	p := newPipeline(t, usual)
	p.faulty.store = &poison{Store: p.store, word: "bad"}
	if err := os.RemoveAll(filepath.Join(p.dir, deadletter.Folder)); err != nil {
		t.Fatal(err)
	}
	p.send(0, "good:1|c\nbad:2|c\n")
	p.mark()
	if err := p.runToItsEnd(); err == nil || !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	p.law(ledger.Statement{})
}

// TestSettledLettersGo with the log of the generation that settled them.
func TestSettledLettersGo(t *testing.T) {
	p := newPipeline(t, usual)
	sick := &poison{Store: p.store, word: "bad"}
	p.faulty.store = sick
	stop := p.run()
	p.send(0, "good:1|c\nbad:2|c\n")
	p.mark()
	p.drained()
	sick.word = ""
	if _, err := p.settle(deadletter.Replay); err != nil {
		t.Fatal(err)
	}
	p.mark()
	p.drained()
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if !p.letters.Settled() {
		t.Error("the settled letter went with its flush")
	}
	g := &aggregate.Generation{To: p.loop.Flusher.Position(), Number: 4}
	g.Next.Generation = 4
	for range 2 { // the second makes the first one old
		if err := p.loop.Checkpoints.Write(g, aggregate.NewState()); err != nil {
			t.Fatal(err)
		}
		g.To++
		p.clock.Add(int64(2 * time.Hour))
	}
	if p.letters.Settled() {
		t.Error("the settled letter is still there")
	}
}
