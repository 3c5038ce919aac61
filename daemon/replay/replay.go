package replay

import (
	"context"
	"errors"
	"fmt"
	"io"

	"example.com/nexusctl/daemon/admit"
	"example.com/nexusctl/daemon/aggregate"
	"example.com/nexusctl/daemon/wal"
)

// Emit takes one generation that ended after the wanted position, and the
// gauges' state as the generation found it. The generation's memory is given
// back when it returns.
type Emit func(g *aggregate.Generation, state *aggregate.State) error

// Source is a log and its checkpoints.
type Source struct {
	Log         *wal.Log
	Checkpoints *Checkpoints
	Catalog     *admit.Catalog
	Options     aggregate.Options
	// Progress, where set, is told how far the reading has come.
	Progress func(at wal.Position)
}

// ErrGap reports that the log no longer reaches back to where the store is.
var ErrGap = errors.New("the log does not reach back to the store's position")

// Generations reads the log from the newest checkpoint at or before after, and
// emits every complete generation that ends behind after and not behind upTo.
// It returns the Folder, which then holds the open generation.
func (s *Source) Generations(ctx context.Context, after, upTo wal.Position, emit Emit) (*Folder, error) {
	c, err := s.Checkpoints.At(uint64(after))
	if err != nil {
		return nil, err
	}
	start := wal.Position(0)
	if c != nil {
		start = wal.Position(c.Position)
	}
	if start < s.Log.Start() {
		return nil, fmt.Errorf("%w: it starts at %d, wanted is %d", ErrGap, s.Log.Start(), start)
	}
	f, err := NewFolder(c, s.Catalog, s.Options)
	if err != nil {
		return nil, err
	}
	r, err := s.Log.NewReader(start)
	if err != nil {
		return nil, fmt.Errorf("read log at %d: %w", start, err)
	}
	defer r.Close()
	defer f.land() // nothing of it outlives the reading
	return f, s.fold(ctx, f, r, after, upTo, emit)
}

func (s *Source) fold(ctx context.Context, f *Folder, r *wal.Reader, after, upTo wal.Position, emit Emit) error {
	for ctx.Err() == nil {
		payload, span, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("replay: %w", err)
		}
		g, err := f.Record(payload, span)
		if err != nil {
			return fmt.Errorf("replay: %w", err)
		}
		if g == nil {
			continue
		}
		if s.Progress != nil {
			s.Progress(span.To)
		}
		if wal.Position(g.To) > after {
			if err := emit(g, f.state); err != nil {
				return err
			}
		}
		g.Advance(f.state)
		g.Release()
		if wal.Position(g.To) >= upTo {
			return nil
		}
	}
	return ctx.Err()
}
