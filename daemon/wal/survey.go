package wal

import "errors"

// Survey is a look at a log's files that changes none of them: for people who
// want to know what is there, and for a repair. It may run beside the log that
// writes them.
type Survey struct {
	scan   *scan
	strays []found
}

// Look reads the headers of a log's files.
func Look(dir string, fsys FS) (*Survey, error) {
	high, err := lookAtHighWater(fsys, dir)
	if err != nil {
		return nil, err
	}
	s, err := list(fsys, dir, high)
	if err != nil {
		return nil, err
	}
	v := &Survey{scan: s}
	kept := s.segments[:0:0]
	for _, f := range s.segments {
		if f.stray {
			v.strays = append(v.strays, f)
		} else {
			kept = append(kept, f)
		}
	}
	s.segments = kept
	return v, nil
}

// SegmentFile is one segment's file.
type SegmentFile struct {
	Name        string
	After, Base Position // Base is that of its first frame; After is less behind a cut
	Bytes       int64
	Fault       string // what is wrong with its header
}

func describe(list []found) []SegmentFile {
	out := make([]SegmentFile, 0, len(list))
	for _, f := range list {
		out = append(out, SegmentFile{Name: f.file, After: f.after, Base: f.base, Bytes: f.size, Fault: f.fault})
	}
	return out
}

// ID returns the log's UUID.
func (v *Survey) ID() string { return v.scan.id.String() }

// Segments returns the log's segments, in order.
func (v *Survey) Segments() []SegmentFile { return describe(v.scan.segments) }

// Strays returns files that bear a segment's name and belong to another place
// or another log.
func (v *Survey) Strays() []SegmentFile { return describe(v.strays) }

// Stale returns segments that a repair has cut out and not yet set aside.
func (v *Survey) Stale() []SegmentFile { return describe(v.scan.stale) }

// HighWater returns up to where the log was durable, as far as is known.
func (v *Survey) HighWater() Position { return v.scan.high.at }

// Start returns where the log begins.
func (v *Survey) Start() Position {
	if len(v.scan.segments) == 0 {
		return 0
	}
	return v.scan.segments[0].after
}

// Walked is how far a walk has come.
type Walked struct {
	End    Position      // of the last whole frame
	Torn   int64         // bytes behind the log's end that never became a frame
	Damage *CorruptError // nil where the log is whole
}

// Walk reads every frame, as Open and a Reader would.
func (v *Survey) Walk(visit func(payload []byte, at Span) error) (Walked, error) {
	v.scan.visit = visit
	damage, err := v.from(0)
	return Walked{End: v.scan.end, Torn: v.scan.torn, Damage: damage}, err
}

// from walks from the start of a segment on.
func (v *Survey) from(first int) (*CorruptError, error) {
	s := v.scan
	s.end, s.chain, s.torn = 0, 0, 0
	if first < len(s.segments) {
		return damageIn(s.follow(first))
	}
	if s.high.at > 0 {
		return &CorruptError{Segment: s.dir, Reason: "no segment is left of a log that was durable once"}, nil
	}
	return nil, nil
}

// damageIn tells damage from a failure to read.
func damageIn(err error) (*CorruptError, error) {
	var damage *CorruptError
	if errors.As(err, &damage) {
		return damage, nil
	}
	return nil, err
}

// Place returns the file and the byte at which a position stands.
func (v *Survey) Place(p Position) (segment string, offset int64) {
	for _, f := range v.scan.segments {
		if f.base <= p {
			segment, offset = f.file, f.offset(p)
		}
	}
	return segment, offset
}
