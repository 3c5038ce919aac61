package wal

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/google/uuid"
)

// Open opens the log in dir, and makes a new one where there is none. It reads
// from the high-water mark's segment on to find the end; a frame that was
// being written when the power or the process went is cut, because nobody was
// told that it is kept. Damage below the mark is a *CorruptError.
func Open(dir string, o Options) (*Log, error) {
	o.defaults()
	if err := o.FS.MkdirAll(dir); err != nil {
		return nil, fmt.Errorf("log directory: %w", err)
	}
	high, err := openHighWater(o.FS, dir)
	if err != nil {
		return nil, err
	}
	l := &Log{
		dir: dir, opts: o, high: high, failed: make(chan struct{}), done: make(chan struct{}),
		moved: make(chan struct{}), wake: make(chan struct{}, 1),
	}
	l.space.L = &l.mu
	if err := l.recover(); err != nil {
		return nil, errors.Join(err, high.close())
	}
	go l.commit()
	return l, nil
}

func (l *Log) recover() error {
	s, err := list(l.opts.FS, l.dir, l.high.mark)
	if err != nil {
		return err
	}
	if err := l.removeHalf(s.half); err != nil {
		return err
	}
	if len(s.segments) > 0 {
		err = s.findEnd()
	} else if l.high.at > 0 {
		err = &CorruptError{Segment: l.dir, Reason: fmt.Sprintf("no segment is left of a log that was durable up to %d", l.high.at)}
	} else {
		s.id = uuid.New()
	}
	if err != nil {
		return err
	}
	l.id, l.end, l.chain = s.id.String(), s.end, s.chain
	l.written, l.synced, l.queueAt = l.end, l.end, l.end
	for _, f := range s.segments {
		l.segments = append(l.segments, f.segment)
	}
	l.file = committer{log: l, id: s.id, written: l.end, synced: l.end, chain: l.chain, syncedChain: l.chain}
	l.rec = Recovery{End: l.end, Torn: s.torn, Segments: len(s.segments)}
	if len(s.segments) > 0 && s.torn == 0 {
		return l.file.reopen(l.segments[len(l.segments)-1])
	}
	return l.file.rotate()
}

// removeHalf removes files in which nothing was ever durable.
func (l *Log) removeHalf(names []string) error {
	for _, name := range names {
		if err := l.opts.FS.Remove(filepath.Join(l.dir, name)); err != nil {
			return fmt.Errorf("remove an unfinished log segment: %w", err)
		}
	}
	return nil
}

// findEnd walks from the high-water mark's segment on. What stands before it
// is looked at when it is read: of that, headers and sizes must do here.
func (s *scan) findEnd() error {
	first := 0
	for i, f := range s.segments {
		if f.fault != "" {
			return s.corrupt(i, 0, f.fault)
		}
		if i > 0 {
			if before := s.segments[i-1]; f.after < before.base || int64(f.after-before.base) > before.room() {
				return s.follow(i - 1) // which tells the place
			}
		}
		if f.base <= s.high.at {
			first = i
		}
	}
	return s.follow(first)
}
