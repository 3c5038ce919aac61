package wal

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/google/uuid"
)

// Repair is what has to be done so that a damaged log can be opened again. It
// loses what the damage has taken and what cannot be read without it, and never
// uses a position twice: the log goes on behind everything that was ever
// written, with a segment that says where the frames before it end.
type Repair struct {
	// Damage is the first that was found; nil where the log is whole.
	Damage *CorruptError
	// Forget is where the log begins afterwards: what stands before it is not
	// needed, because a checkpoint holds it. 0 where the beginning stays.
	Forget Position
	// From and To are the cut: positions from From on are given up, and the log
	// goes on at To. Both are 0 where nothing is cut.
	From, To Position
	// Reached is how far the log is known to have come; Lost may find more.
	Reached Position
	// Bytes are those of the cut that are there, and are kept; Lost counts them.
	Bytes int64
	// Aside are files that get another name, because they are no part of the
	// log any more.
	Aside []string

	survey *Survey
	chain  uint32   // of the frame that ends at From
	first  int      // segment in which the log begins afterwards
	copied *rebuilt // where it begins in the middle of that
	lost   []found  // segments of which something is cut
}

// rebuilt is the rest of a segment whose beginning is damaged.
type rebuilt struct {
	of     found
	base   Position
	chain  uint32
	offset int64 // of the first frame, in the old file
}

// cutStep is what positions behind a cut are a multiple of: they are then easy
// to see.
const cutStep = 4096

// asidePrefix begins the names of files that a repair has set aside.
const asidePrefix = "cut-"

// Needed says that there is something to do.
func (r *Repair) Needed() bool { return r.Damage != nil || len(r.Aside) > 0 }

// Cut says that something is lost.
func (r *Repair) Cut() bool { return r.To > 0 }

// Identify says which log this is, for one of which no file does any more.
func (v *Survey) Identify(id string) error {
	known, err := uuid.Parse(id)
	if err == nil && v.scan.id == uuid.Nil {
		v.scan.id = known
	}
	return err
}

// Repair plans a repair. checkpoints are the positions of those that can be
// read; reached is how far the log is known to have come, as the store may
// know.
func (v *Survey) Repair(checkpoints []Position, reached Position) (*Repair, error) {
	c := newest(checkpoints)
	reached = max(reached, c)
	r := &Repair{survey: v}
	r.setAside(v.strays)
	r.setAside(v.scan.stale)
	v.scan.visit = nil
	damage, err := v.from(0)
	if err != nil {
		return nil, err
	}
	if damage == nil && v.scan.end < reached {
		damage = &CorruptError{Position: v.scan.end, Segment: v.scan.dir, Reason: fmt.Sprintf("the log ends here, and is known to have reached %d", reached)}
	}
	if len(v.strays) > 0 && damage == nil {
		f := v.strays[0]
		r.Damage = &CorruptError{Position: f.base, Segment: f.file, Reason: f.fault}
	}
	if damage == nil && len(v.scan.segments) > 0 && c < v.Start() {
		damage = &CorruptError{Position: v.Start(), Segment: v.scan.segments[0].file, Reason: "the log begins here, behind every checkpoint that can be read"}
	}
	if damage == nil {
		return r, nil
	}
	if v.scan.id == uuid.Nil {
		return nil, fmt.Errorf("%w: %w", ErrNameless, damage)
	}
	r.Damage = damage
	return r, r.plan(c, reached)
}

// ErrNameless reports that no file is left that says which log this is.
var ErrNameless = errors.New("no file says which log this is")

func newest(checkpoints []Position) (c Position) {
	for _, p := range checkpoints {
		c = max(c, p)
	}
	return c
}

// plan decides on what is kept: everything from the checkpoint at c on up to
// the first damage.
func (r *Repair) plan(c, reached Position) error {
	s := r.survey.scan
	switch {
	case len(s.segments) == 0 || c < r.survey.Start():
		r.cutAll(c, reached)
		return nil
	case s.end >= c:
		r.cut(s.end, s.chain, reached)
		return nil
	}
	i := len(s.segments) - 1
	for s.segments[i].after > c {
		i--
	}
	return r.forget(i, c, reached)
}

// forget begins the log at the checkpoint, which stands in segment i.
func (r *Repair) forget(i int, c, reached Position) error {
	s := r.survey.scan
	onEdge := s.segments[i].after == c
	s.visit = func(_ []byte, at Span) error {
		onEdge = onEdge || at.To == c
		return nil
	}
	damage, err := r.survey.from(i)
	s.visit = nil
	if err != nil {
		return err
	}
	if !onEdge {
		return r.rebuild(i, c, reached)
	}
	r.Forget, r.first = s.segments[i].after, i
	r.setAside(s.segments[:i])
	if damage != nil || s.end < reached {
		r.cut(s.end, s.chain, reached)
	}
	return nil
}

// rebuild begins the log in the middle of a segment that is damaged before.
func (r *Repair) rebuild(i int, c, reached Position) error {
	s := r.survey.scan
	g := s.segments[i]
	b, unread, err := s.read(g)
	if err != nil {
		return err
	}
	err = search(b, g, func(at Span, payload []byte, before uint32) error {
		if at.From == c {
			r.copied = &rebuilt{of: g, base: c, chain: before, offset: g.offset(c)}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if r.copied == nil {
		r.cutAll(c, reached)
		return nil
	}
	r.first = i
	damage, err := r.follow(b, unread)
	if err != nil {
		return err
	}
	r.Forget = c
	r.setAside(s.segments[:i+1])
	if damage != nil || s.end < reached {
		r.cut(s.end, s.chain, reached)
	}
	return nil
}

// follow walks what is kept of a segment that is damaged at its beginning, and
// what follows.
func (r *Repair) follow(b []byte, unread error) (*CorruptError, error) {
	s := r.survey.scan
	s.end, s.chain = r.copied.base, r.copied.chain
	err := s.walk(r.first, b, r.copied.offset, unread)
	if err == nil {
		err = s.goOn(r.first + 1)
	}
	return damageIn(err)
}

// Kept visits the frames before the cut, from the log's new beginning on.
func (r *Repair) Kept(visit func(payload []byte, at Span) error) error {
	s := r.survey.scan
	s.visit = func(payload []byte, at Span) error {
		if r.Cut() && at.From >= r.From {
			return nil
		}
		return visit(payload, at)
	}
	defer func() { s.visit = nil }()
	if r.copied == nil {
		_, err := r.survey.from(r.first)
		return err
	}
	b, unread, err := s.read(r.copied.of)
	if err != nil {
		return err
	}
	_, err = r.follow(b, unread)
	return err
}

// search visits the frames of a segment that can still be read.
func search(b []byte, g found, visit func(at Span, payload []byte, before uint32) error) error {
	start := min(g.header(), int64(len(b)))
	s := salvage{b: b[start:], chain: g.head.chain, known: g.fault == ""}
	s.visit = func(offset int, payload []byte, before uint32) error {
		from := g.base + Position(offset)
		return visit(Span{from, from + Position(frameHeader+len(payload))}, payload, before)
	}
	return s.run()
}

// cutAll keeps nothing of the log but what the checkpoint at c holds.
func (r *Repair) cutAll(c, reached Position) {
	r.Forget = c
	r.cut(c, 0, reached)
	r.setAside(r.survey.scan.segments)
}

// cut gives up everything from a position on.
func (r *Repair) cut(at Position, chain uint32, reached Position) {
	s := r.survey.scan
	r.From, r.chain = at, chain
	r.Reached = max(at, reached, s.high.at)
	last := r.Reached
	for _, list := range [][]found{s.segments, s.stale, r.survey.strays} {
		for _, f := range list {
			last = max(last, f.base+Position(max(f.room(), 0)))
		}
	}
	r.To = (last/cutStep + 1) * cutStep
	for i, f := range s.segments {
		end := f.base + Position(max(f.room(), 0))
		if i+1 < len(s.segments) {
			end = min(end, s.segments[i+1].after)
		}
		if f.base >= at {
			r.setAside([]found{f})
		}
		if end > at {
			r.lost = append(r.lost, f)
		}
	}
}

func (r *Repair) setAside(list []found) {
	for _, f := range list {
		if !slices.Contains(r.Aside, f.file) {
			r.Aside = append(r.Aside, f.file)
		}
	}
}

// Lost visits the frames of the cut that can still be read, and counts the
// bytes that cannot. Some of them may be of frames before the cut, where a
// segment's header is damaged.
func (r *Repair) Lost(visit func(payload []byte, at Span) error) (unreadable int64, err error) {
	r.Bytes = 0
	seen := func(payload []byte, at Span) error {
		r.Reached = max(r.Reached, at.To)
		return visit(payload, at)
	}
	for _, g := range r.lost {
		b, _, err := r.survey.scan.read(g)
		if err != nil {
			return unreadable, err
		}
		n, bytes, err := lostOf(b, g, r.From, r.chain, seen)
		if err != nil {
			return unreadable, err
		}
		unreadable += n
		r.Bytes += bytes
	}
	return unreadable, nil
}

// lostOf visits what a segment holds behind a cut.
func lostOf(b []byte, g found, from Position, chain uint32, visit func(payload []byte, at Span) error) (unreadable, bytes int64, err error) {
	start, base := min(g.header(), int64(len(b))), g.base
	s := salvage{chain: g.head.chain, known: g.fault == ""}
	if from > g.base {
		start, base = min(g.offset(from), int64(len(b))), from
		s.chain, s.known = chain, true
	}
	s.b = b[start:]
	s.visit = func(offset int, payload []byte, _ uint32) error {
		at := base + Position(offset)
		return visit(payload, Span{at, at + Position(frameHeader+len(payload))})
	}
	err = s.run()
	return s.unreadable, nonZero(s.b), err
}

// Apply does what was planned. first makes the record with which the log goes
// on behind a cut. Killed at any point, the log is as it was or as it will be,
// but for files that a further repair sets aside.
func (r *Repair) Apply(first func(at Position) []byte) error {
	if err := r.writeCopied(); err != nil {
		return fmt.Errorf("rebuild a log segment: %w", err)
	}
	if r.Cut() {
		if err := r.keepRest(); err != nil {
			return fmt.Errorf("keep what is cut: %w", err)
		}
		if err := r.resume(first); err != nil {
			return fmt.Errorf("go on behind the cut: %w", err)
		}
	}
	if err := r.moveAside(); err != nil {
		return fmt.Errorf("set files aside: %w", err)
	}
	return nil
}

func (r *Repair) writeCopied() error {
	c := r.copied
	if c == nil {
		return nil
	}
	s := r.survey.scan
	b, _, err := s.read(c.of)
	if err != nil {
		return err
	}
	h := heading{id: s.id, base: c.base, after: c.base, chain: c.chain}
	content := append(h.appendTo(nil), b[min(c.offset, int64(len(b))):]...)
	return r.make(segment{base: c.base, after: c.base}, content[:nonZero(content)])
}

// make writes a segment that holds its content and no more.
func (r *Repair) make(g segment, content []byte) error {
	s := r.survey.scan
	g.size = int64(len(content))
	f, err := makeSegment(s.fs, s.dir, g, content)
	if err != nil {
		return err
	}
	return f.Close()
}

// keepRest copies what is cut off the end of a segment that stays: it would go
// with the segment otherwise.
func (r *Repair) keepRest() error {
	s := r.survey.scan
	for _, f := range r.lost {
		if slices.Contains(r.Aside, f.file) || f.base >= r.From {
			continue
		}
		b, _, err := s.read(f)
		if err != nil {
			return err
		}
		b = b[min(f.offset(r.From), int64(len(b))):]
		if b = b[:nonZero(b)]; len(b) == 0 {
			continue
		}
		if err := r.write(fmt.Sprintf("%s%020d", asidePrefix, r.From), b); err != nil {
			return err
		}
	}
	return nil
}

func (r *Repair) write(name string, b []byte) error {
	s := r.survey.scan
	path := filepath.Join(s.dir, name)
	f, err := s.fs.Open(path+".tmp", true)
	if err != nil {
		return err
	}
	err = f.Truncate(0)
	if err == nil {
		_, err = f.WriteAt(b, 0)
	}
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return errors.Join(s.fs.Rename(path+".tmp", path), s.fs.SyncDir(s.dir))
}

// resume makes the segment behind the cut. With its name the cut is made.
func (r *Repair) resume(first func(at Position) []byte) error {
	s := r.survey.scan
	h := heading{id: s.id, base: r.To, after: r.From, chain: r.chain}
	content, chain := appendFrame(h.appendTo(nil), r.chain, first(r.To))
	if err := r.make(segment{base: r.To, after: r.From}, content); err != nil {
		return err
	}
	high, err := openHighWater(s.fs, s.dir)
	if err != nil {
		return err
	}
	return errors.Join(high.write(r.To+Position(len(content)-resumedHeader), chain), high.close())
}

// moveAside renames what is no part of the log any more.
func (r *Repair) moveAside() error {
	s := r.survey.scan
	names, err := s.fs.ReadDir(s.dir)
	if err != nil {
		return err
	}
	for _, name := range r.Aside {
		to := asidePrefix + name
		for n := 2; slices.Contains(names, to); n++ {
			to = fmt.Sprintf("%s%s.%d", asidePrefix, name, n)
		}
		if err := s.fs.Rename(filepath.Join(s.dir, name), filepath.Join(s.dir, to)); err != nil {
			return err
		}
	}
	return s.fs.SyncDir(s.dir)
}
