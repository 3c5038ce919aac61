package wal_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"testing"

	"example.com/nexusctl/daemon/wal"
	"example.com/nexusctl/daemon/wal/waltest"
)

// sample is a closed log, to be damaged.
type sample struct {
	disk  *waltest.Disk
	names []string
	spans []wal.Span
}

const sampleFrames = 60

func newSample(t testing.TB) *sample {
	t.Helper()
	s := &sample{disk: newDisk(1)}
	l := openOn(t, s.disk, wal.Options{SegmentSize: 2048})
	for i := range sampleFrames {
		s.spans = append(s.spans, add(t, l, payload(i)))
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	var err error
	if s.names, err = s.disk.ReadDir("/log"); err != nil {
		t.Fatal(err)
	}
	return s
}

// holds returns the number of the frame that holds a byte of a file; -1 for a
// header, sampleFrames for a place behind the file's last frame.
func (s *sample) holds(name string, at int) int {
	var base uint64
	if _, err := fmt.Sscanf(name, "%d.seg", &base); err != nil || at < 40 {
		return -1
	}
	end := wal.Position(1 << 60)
	if i := slices.Index(s.names, name); i+1 < len(s.names) && strings.HasSuffix(s.names[i+1], ".seg") {
		_, _ = fmt.Sscanf(s.names[i+1], "%d.seg", &end)
	}
	p := wal.Position(base) + wal.Position(at-40)
	for i, f := range s.spans {
		if f.From <= p && p < f.To && p < end {
			return i
		}
	}
	return sampleFrames
}

// first is the number of a segment's first frame.
func (s *sample) first(name string) int { return s.holds(name, 40) }

// blow is damage to one file, and what must come of it.
type blow struct {
	what  string
	lost  int  // the first frame that cannot be read any more; sampleFrames where all can
	quiet bool // there must be no word of it
}

// strike damages one file of the disk.
func (s *sample) strike(r *rand.Rand, disk *waltest.Disk) blow {
	name := s.names[r.IntN(len(s.names))]
	file := path.Join("/log", name)
	size := len(disk.Content(file))
	at := r.IntN(size)
	b := blow{lost: s.holds(name, at)}
	switch r.IntN(8) {
	case 0:
		b.what = fmt.Sprintf("%s cut at %d", name, at)
		disk.Change(file, func(b []byte) []byte { return b[:at:at] })
	case 1:
		n := min(1+r.IntN(600), size-at)
		b.what = fmt.Sprintf("%d bytes zeroed at %d of %s", n, at, name)
		before := disk.Content(file)
		disk.Change(file, func(b []byte) []byte { clear(b[at : at+n]); return b })
		changed := slices.IndexFunc(before[at:at+n], func(c byte) bool { return c != 0 })
		if changed < 0 {
			return blow{what: b.what, lost: sampleFrames, quiet: true} // zeros were there before
		}
		b.lost = s.holds(name, at+changed)
	default:
		bit := r.IntN(8)
		b.what = fmt.Sprintf("bit %d of byte %d of %s flipped", bit, at, name)
		disk.Change(file, func(b []byte) []byte { b[at] ^= 1 << bit; return b })
	}
	switch {
	case name == "highwater":
		b.lost, b.quiet = sampleFrames, true
	case b.lost < 0:
		b.lost = s.first(name)
	case b.lost == sampleFrames:
		b.quiet = true
	}
	return b
}

// read opens a damaged log and reads it, as a daemon does.
func read(t *testing.T, disk *waltest.Disk) (got [][]byte, torn int64, err error) {
	l, err := wal.Open("/log", wal.Options{SegmentSize: 2048, FS: disk})
	if err != nil {
		return nil, 0, err
	}
	got, err = readAll(t, l, l.Start())
	return got, l.Recovery().Torn, errors.Join(err, l.Close())
}

// TestDamage flips bits, zeroes and cuts files of a closed log. All damage below
// the high-water mark is found and its place named, by reading and by a survey
// alike; damage to unused space is not reported as a loss.
func TestDamage(t *testing.T) {
	s := newSample(t)
	found, quiet := 0, 0
	tries := times(t, "NEXUS_BIT_FLIPS", 500)
	for seed := range uint64(tries) {
		r := rand.New(rand.NewPCG(seed, 11))
		disk := s.disk.Clone(r)
		b := s.strike(r, disk)
		if err := s.judge(t, disk, b); err != nil {
			t.Fatalf("seed %d, %s: %v", seed, b.what, err)
		}
		if b.quiet {
			quiet++
		} else {
			found++
		}
	}
	t.Logf("%d blows: %d were found, %d hit nothing", tries, found, quiet)
}

func (s *sample) judge(t *testing.T, disk *waltest.Disk, b blow) error {
	survey, err := wal.Look("/log", disk)
	if err != nil {
		return err
	}
	walked, err := survey.Walk(func([]byte, wal.Span) error { return nil })
	if err != nil {
		return err
	}
	got, _, err := read(t, disk.Clone(rand.New(rand.NewPCG(1, 1))))
	checkPrefix(t, got, 0)
	if b.quiet {
		if walked.Damage != nil || err != nil || len(got) != sampleFrames {
			return fmt.Errorf("nothing is lost, and %d frames are read: %v, %v", len(got), walked.Damage, err)
		}
		return nil
	}
	if walked.Damage == nil || err == nil {
		return fmt.Errorf("silently %d of %d frames; the survey says %v", len(got), sampleFrames, walked.Damage)
	}
	var damage *wal.CorruptError
	if !errors.As(err, &damage) {
		return fmt.Errorf("no place is named: %w", err)
	}
	for _, d := range []*wal.CorruptError{damage, walked.Damage} {
		if d.Position != s.spans[b.lost].From || d.Segment == "" {
			return fmt.Errorf("frame %d at %d is damaged, the place named is %v", b.lost, s.spans[b.lost].From, d)
		}
	}
	return nil
}

// TestRepairOfDamage repairs what TestDamage finds: what stood before the
// damage is there, the log goes on, the range that is lost is named, and what
// of it could be read was counted.
func TestRepairOfDamage(t *testing.T) {
	s := newSample(t)
	end := s.spans[sampleFrames-1].To
	salvaged, cut := 0, 0
	for seed := range uint64(times(t, "NEXUS_BIT_FLIPS", 500)) {
		r := rand.New(rand.NewPCG(seed, 12))
		disk := s.disk.Clone(r)
		b := s.strike(r, disk)
		checkpoint, reached := s.checkpoint(r)
		repair := repaired(t, disk, []wal.Position{checkpoint}, 0)
		if b.quiet {
			if repair.Needed() {
				t.Fatalf("seed %d, %s: a repair of nothing: %+v", seed, b.what, repair)
			}
			continue
		}
		if err := s.judgeRepair(disk, b, repair, checkpoint, reached); err != nil {
			t.Fatalf("seed %d, %s, checkpoint at %d: %v\n%+v", seed, b.what, checkpoint, err, repair)
		}
		n, err := checkRepaired(t, disk, checkpoint)
		if err != nil {
			t.Fatalf("seed %d, %s, checkpoint at %d: %v\n%+v", seed, b.what, checkpoint, err, repair)
		}
		salvaged += n
		if repair.Cut() {
			cut++
			if repair.To <= end {
				t.Fatalf("seed %d: the log goes on at %d and came to %d", seed, repair.To, end)
			}
		}
	}
	t.Logf("%d cuts; %d frames were kept over all", cut, salvaged)
}

// checkpoint draws the frame at whose end a checkpoint stands; 0 for none.
func (s *sample) checkpoint(r *rand.Rand) (wal.Position, int) {
	if r.IntN(2) == 0 {
		return 0, 0
	}
	n := r.IntN(sampleFrames)
	return s.spans[n].To, n + 1
}

// repaired plans a repair, applies it, and asks whether there is anything left
// to do.
func repaired(t *testing.T, disk *waltest.Disk, checkpoints []wal.Position, reached wal.Position) *wal.Repair {
	t.Helper()
	plan := planned(t, disk, checkpoints, reached)
	if !plan.Needed() {
		return plan
	}
	if plan.Cut() {
		if _, err := plan.Lost(func([]byte, wal.Span) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	if err := plan.Apply(func(at wal.Position) []byte { return fmt.Appendf(nil, "cut at %d", at) }); err != nil {
		t.Fatal(err)
	}
	if again := planned(t, disk, checkpoints, reached); again.Needed() {
		t.Fatalf("after %+v there is still to do: %+v", plan, again)
	}
	return plan
}

func planned(t *testing.T, disk *waltest.Disk, checkpoints []wal.Position, reached wal.Position) *wal.Repair {
	t.Helper()
	survey, err := wal.Look("/log", disk)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := survey.Repair(checkpoints, reached)
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

func (s *sample) judgeRepair(disk *waltest.Disk, b blow, r *wal.Repair, checkpoint wal.Position, covered int) error {
	switch place := s.spans[b.lost].From; {
	case !r.Needed():
		return errors.New("there is nothing to repair")
	case b.lost >= covered && (!r.Cut() || r.From != place):
		return fmt.Errorf("it cuts at %d, the damage is at %d", r.From, place)
	case b.lost < covered && r.Cut() && r.From < checkpoint:
		return fmt.Errorf("it cuts at %d what the checkpoint makes needless", r.From)
	}
	if r.Cut() && r.From == s.spans[b.lost].From && r.Bytes > 0 && !kept(disk) {
		return errors.New("what was cut is not kept")
	}
	return nil
}

func kept(disk *waltest.Disk) bool {
	names, _ := disk.ReadDir("/log")
	return slices.ContainsFunc(names, func(n string) bool { return strings.HasPrefix(n, "cut-") })
}

// checkRepaired reads a repaired log from the checkpoint on, appends to it, and
// reads it again: frames of the sample, the cut's record, and the new frame.
func checkRepaired(t *testing.T, disk *waltest.Disk, checkpoint wal.Position) (frames int, err error) {
	t.Helper()
	for range 2 {
		l := openOn(t, disk, wal.Options{SegmentSize: 2048})
		if l.Start() > checkpoint {
			return 0, fmt.Errorf("the log starts at %d", l.Start())
		}
		s := add(t, l, []byte("more"))
		if err := l.Sync(); err != nil {
			return 0, err
		}
		got, err := readAll(t, l, checkpoint)
		if err != nil {
			return 0, err
		}
		if string(got[len(got)-1]) != "more" {
			return 0, fmt.Errorf("the frame appended at %d is not the last", s.From)
		}
		if err := l.Close(); err != nil {
			return 0, err
		}
		frames = 0
		for _, p := range got {
			if bytes.HasPrefix(p, []byte("cut at")) {
				break
			}
			frames++
		}
	}
	return frames, nil
}

// TestRepairIsCut turns the power off in the middle of a repair, again and
// again, until one comes to its end.
func TestRepairIsCut(t *testing.T) {
	s := newSample(t)
	for seed := range uint64(times(t, "NEXUS_POWER_CUTS", 300)) {
		r := rand.New(rand.NewPCG(seed, 13))
		disk := s.disk.Clone(rand.New(rand.NewPCG(seed, 14)))
		b := s.strike(r, disk)
		if b.quiet {
			continue
		}
		checkpoint, covered := s.checkpoint(r)
		for tries := 0; ; tries++ {
			disk.CutAfter(r.IntN(6 + 3*tries))
			if repairOnce(disk, checkpoint) == nil && !disk.Gone() {
				break
			}
			if !disk.Gone() {
				t.Fatalf("seed %d, %s: the repair fails", seed, b.what)
			}
			disk.Restore()
		}
		disk.Cut()
		disk.Restore() // what was done has lasted
		if again := planned(t, disk, []wal.Position{checkpoint}, 0); again.Needed() {
			t.Fatalf("seed %d, %s: still to do: %+v", seed, b.what, again)
		}
		n, err := checkRepaired(t, disk, checkpoint)
		if err != nil || b.lost >= covered && n != b.lost-covered {
			t.Fatalf("seed %d, %s, checkpoint behind frame %d: %d frames before the damage, %v", seed, b.what, covered, n, err)
		}
	}
}

func repairOnce(disk *waltest.Disk, checkpoint wal.Position) error {
	survey, err := wal.Look("/log", disk)
	if err != nil {
		return err
	}
	plan, err := survey.Repair([]wal.Position{checkpoint}, 0)
	if err != nil {
		return err
	}
	return plan.Apply(func(at wal.Position) []byte { return fmt.Appendf(nil, "cut at %d", at) })
}

// TestFilesInDisorder takes segments away, doubles and swaps them: each is
// found, and mended with the loss that it means and no other.
func TestFilesInDisorder(t *testing.T) {
	s := newSample(t)
	segments := s.names[:len(s.names)-1]
	if len(segments) < 4 {
		t.Fatal("the sample has too few segments")
	}
	file := func(i int) string { return path.Join("/log", segments[i]) }
	for _, c := range []struct {
		name string
		do   func(d *waltest.Disk)
		lost int // the first frame that is lost; sampleFrames for none
	}{
		{"one of the middle is gone", func(d *waltest.Disk) { d.Change(file(1), gone) }, s.first(segments[1])},
		{"the last is gone", func(d *waltest.Disk) { d.Change(file(len(segments)-1), gone) }, s.first(segments[len(segments)-1])},
		{"the first is gone", func(d *waltest.Disk) { d.Change(file(0), gone) }, 0},
		{"all are gone but the first", func(d *waltest.Disk) {
			for i := range segments[1:] {
				d.Change(file(i+1), gone)
			}
		}, s.first(segments[1])},
		{"two are swapped", func(d *waltest.Disk) {
			a, b := d.Content(file(1)), d.Content(file(2))
			d.Change(file(1), func([]byte) []byte { return b })
			d.Change(file(2), func([]byte) []byte { return a })
		}, s.first(segments[1])},
		{"one is there twice", func(d *waltest.Disk) {
			d.Change("/log/00000000000000000777.seg", func([]byte) []byte { return d2(s.disk.Content(file(1))) })
		}, sampleFrames},
		{"one is overwritten by another", func(d *waltest.Disk) {
			d.Change(file(2), func([]byte) []byte { return s.disk.Content(file(1)) })
		}, s.first(segments[2])},
		{"one is of another log", func(d *waltest.Disk) {
			d.Change("/log/00000000000000000777.seg", func([]byte) []byte { return otherLog(t) })
		}, sampleFrames},
		{"the last is an older copy of itself", func(d *waltest.Disk) {
			d.Change(file(len(segments)-1), func(b []byte) []byte { clear(b[len(b)/4:]); return b })
		}, -1},
	} {
		t.Run(c.name, func(t *testing.T) {
			disk := s.disk.Clone(rand.New(rand.NewPCG(1, 2)))
			c.do(disk)
			survey, err := wal.Look("/log", disk)
			if err != nil {
				t.Fatal(err)
			}
			walked, err := survey.Walk(nil)
			if err != nil {
				t.Fatal(err)
			}
			firstGone := c.lost == 0 // looks like old log that was dropped: only a checkpoint can tell
			if walked.Damage == nil && len(survey.Strays()) == 0 && !firstGone {
				t.Error("it is not found")
			}
			if _, _, err := read(t, disk.Clone(rand.New(rand.NewPCG(1, 2)))); err == nil && !firstGone {
				t.Error("it is opened and read as if nothing were")
			}
			r := repaired(t, disk, nil, 0)
			if r.Damage == nil || (c.lost == sampleFrames) == r.Cut() {
				t.Errorf("repaired by %+v", r)
			}
			if c.lost >= 0 && c.lost < sampleFrames && r.From != s.spans[c.lost].From {
				t.Errorf("it cuts at %d, not at %d", r.From, s.spans[c.lost].From)
			}
			n, err := checkRepaired(t, disk, 0)
			if err != nil || c.lost >= 0 && n != c.lost && c.lost < sampleFrames {
				t.Errorf("%d frames are kept of %d, %v", n, c.lost, err)
			}
		})
	}
}

func gone([]byte) []byte { return nil }

func d2(b []byte) []byte { return bytes.Clone(b) }

func otherLog(t *testing.T) []byte {
	disk := newDisk(2)
	l := openOn(t, disk, wal.Options{SegmentSize: 2048})
	add(t, l, payload(1))
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	names, _ := disk.ReadDir("/log")
	b := disk.Content(path.Join("/log", names[0]))
	return b
}

// TestAnotherHistory puts back segments of the same log that went another way
// from some frame on: they hold together, and are not what was durable.
func TestAnotherHistory(t *testing.T) {
	s := newSample(t)
	disk := s.disk.Clone(rand.New(rand.NewPCG(1, 2)))
	disk.Change(path.Join("/log", s.names[len(s.names)-2]), func(b []byte) []byte { clear(b[40:]); return b })
	disk.Change("/log/highwater", func([]byte) []byte { return []byte{} })
	l := openOn(t, disk, wal.Options{SegmentSize: 2048})
	for range 20 {
		add(t, l, []byte("another frame of some length, to pass the place where the log once ended"))
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	disk.Change("/log/highwater", func([]byte) []byte { return s.disk.Content("/log/highwater") })
	var damage *wal.CorruptError
	if _, _, err := read(t, disk); !errors.As(err, &damage) {
		t.Errorf("another history passes for this one: %v", err)
	}
}

// TestLogBehindItsStore lets a log go on that ends before the place its store
// has come to.
func TestLogBehindItsStore(t *testing.T) {
	s := newSample(t)
	disk := s.disk.Clone(rand.New(rand.NewPCG(1, 2)))
	end := s.spans[sampleFrames-1].To
	r := repaired(t, disk, nil, end+100_000)
	if !r.Cut() || r.From != end || r.To <= end+100_000 {
		t.Errorf("repaired by %+v", r)
	}
	if n, err := checkRepaired(t, disk, 0); err != nil || n != sampleFrames {
		t.Errorf("%d frames, %v", n, err)
	}
	l := openOn(t, disk, wal.Options{})
	if _, err := l.NewReader(end + 10); err == nil {
		t.Error("a position within the cut can be read")
	}
	if _, err := l.DropBefore(r.To); err != nil || l.Start() != end {
		t.Errorf("the log starts at %d, %v", l.Start(), err)
	}
	if got, err := readAll(t, l, end); err != nil || len(got) != 3 {
		t.Errorf("%d frames behind the cut, %v", len(got), err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestSalvage reads what stands behind damage of every kind.
func TestSalvage(t *testing.T) {
	s := newSample(t)
	name := s.names[2]
	first := s.first(name)
	for what, at := range map[string]int{"length": 1, "high length": 3, "checksum": 5, "payload": 12} {
		disk := s.disk.Clone(rand.New(rand.NewPCG(1, 2)))
		disk.Change(path.Join("/log", name), func(b []byte) []byte {
			b[40+int(s.spans[first+1].From-s.spans[first].From)+at] ^= 0x11
			return b
		})
		plan := planned(t, disk, nil, 0)
		var got []wal.Position
		unreadable, err := plan.Lost(func(_ []byte, at wal.Span) error {
			if at.From >= plan.From {
				got = append(got, at.From)
			}
			return nil
		})
		if err != nil || len(got) < sampleFrames-first-4 || unreadable == 0 || plan.From != s.spans[first+1].From {
			t.Errorf("%s: %d frames of %d behind %d, %d bytes cannot be read, %v", what, len(got), sampleFrames-first-2, plan.From, unreadable, err)
		}
		if plan.Reached != s.spans[sampleFrames-1].To {
			t.Errorf("%s: it reached %d", what, plan.Reached)
		}
	}
}
