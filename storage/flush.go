package storage

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"time"

	"example.com/nexusctl/storage/dialect"
)

// Counts are the ledger's terms: cumulative in a Writer, what was added in a
// Flush.
type Counts struct {
	Stored     uint64            `json:"stored"`
	Rejected   map[string]uint64 `json:"rejected,omitempty"`
	Shed       map[string]uint64 `json:"shed,omitempty"`
	Dead       uint64            `json:"dead,omitempty"`
	Lost       uint64            `json:"lost,omitempty"`
	Duplicates uint64            `json:"duplicates,omitempty"`

	// Revived are units that a flush takes out of Dead again, and counts under
	// another term. It is a flush's alone: a writer's Dead is what is left.
	Revived uint64 `json:"-"`
}

// add returns the sum of both.
func (c Counts) add(o Counts) Counts {
	return Counts{
		Stored: c.Stored + o.Stored, Rejected: addMaps(c.Rejected, o.Rejected), Shed: addMaps(c.Shed, o.Shed),
		Dead: c.Dead + o.Dead - o.Revived, Lost: c.Lost + o.Lost, Duplicates: c.Duplicates + o.Duplicates,
	}
}

func addMaps(a, b map[string]uint64) map[string]uint64 {
	sum := make(map[string]uint64, len(a)+len(b))
	for _, m := range []map[string]uint64{a, b} {
		for k, n := range m {
			sum[k] += n
		}
	}
	return sum
}

// Writer is how far one log has been stored.
type Writer struct {
	ID        string
	Position  uint64 // of the log; 0 for an unknown writer
	Seq       uint64 // its last generation
	Counts    Counts
	UpdatedAt time.Time
	Watermark int64 // up to when its samples without a time are stored, Unix milliseconds; 0 for unknown
	// Blocks counts the blocks that it has stored, so that who reads them in parts knows
	// whether some were compacted in between. 0 for unknown: an older release stored last.
	Blocks uint64
	Left   bool // its daemon has ended as it should
}

// Block is one shard's share of a flush, as package block encodes it.
type Block struct {
	Shard int64
	Data  []byte
}

// Flush is what one generation adds to the store.
type Flush struct {
	Writer   string
	From, To uint64 // log positions
	Seq      uint64 // generation
	Hour     int64  // of arrival, hours since 1970
	Blocks   []Block
	Events   []Event
	Counts   Counts
	Until    int64           // the Writer's Watermark once this is stored
	Named    iter.Seq[Named] // since the writer's last flush, gone through at each try; nil where there is none
}

// Named is a series and the id that Resolve gave it.
type Named struct {
	ID  int64
	Key []byte
}

// ErrRenamed reports ids that the store does not give the series they were
// given to, as after a failover to a copy that missed the naming. Resolve has
// to be asked again.
var ErrRenamed = errors.New("the store does not have series under the ids that it gave them")

// PositionError reports a writer that is not where the flush begins.
type PositionError struct{ Have, From, To uint64 }

func (e *PositionError) Error() string {
	return fmt.Sprintf("the store has the log up to %d; the flush covers %d to %d", e.Have, e.From, e.To)
}

// Writer returns what the store knows of a writer.
func (s *Store) Writer(ctx context.Context, id string) (Writer, error) {
	w := Writer{ID: id}
	err := s.read(ctx, "read writer", func(ctx context.Context, tx *sql.Tx) error {
		return s.eachWriter(ctx, tx, func(found Writer) { w = found }, " WHERE writer = $1", id)
	})
	return w, err
}

// Writers returns every writer that has flushed.
func (s *Store) Writers(ctx context.Context) (list []Writer, err error) {
	err = s.read(ctx, "read writers", func(ctx context.Context, tx *sql.Tx) error {
		list = nil
		return s.eachWriter(ctx, tx, func(w Writer) { list = append(list, w) }, " ORDER BY writer")
	})
	return list, err
}

func (s *Store) eachWriter(ctx context.Context, tx *sql.Tx, f func(Writer), where string, args ...any) error {
	return s.each(ctx, tx, func(rows *sql.Rows) error {
		var w Writer
		var counts []byte
		var at, left int64
		if err := rows.Scan(&w.ID, &w.Position, &w.Seq, &counts, &at, &w.Watermark, &left); err != nil {
			return err
		}
		w.UpdatedAt, w.Left = time.UnixMilli(at), left > 0
		var c counted
		if err := json.Unmarshal(counts, &c); err != nil {
			return fmt.Errorf("counts of writer %s: %w", w.ID, err)
		}
		w.Counts, w.Blocks = c.Counts, c.Blocks
		f(w)
		return nil
	}, "SELECT writer, position, seq, counts, updated_at, watermark, left_at FROM writer_position"+where, args...)
}

// Commit stores the blocks and moves the writer's position, in one
// transaction. A flush that is in the store already is not applied again:
// applied is false then, and that is no error. From anywhere else than the
// flush's beginning it fails with *PositionError.
//
// Series are named in transactions of their own, so a copy that lags can have
// the position and lack the names: those given since the writer's last flush
// are looked up again here, and with it they are the store's for good.
func (s *Store) Commit(ctx context.Context, f Flush) (applied bool, err error) {
	if applied, err = s.commitAtOnce(ctx, f); applied || err != nil {
		return applied, err
	}
	err = s.flush(ctx, f, func(ctx context.Context, tx *sql.Tx) (err error) {
		applied, err = s.commit(ctx, tx, f)
		return err
	})
	return applied && err == nil, err
}

// errUndo ends a transaction of which nothing is to be kept.
var errUndo = errors.New("undo")

// Probe asks whether the store would take a flush, and keeps nothing of it. It
// fails as Commit would, so that whoever was refused can find out what for.
func (s *Store) Probe(ctx context.Context, f Flush) error {
	err := s.flush(ctx, f, func(ctx context.Context, tx *sql.Tx) error {
		if _, err := s.commit(ctx, tx, f); err != nil {
			return err
		}
		return errUndo
	})
	if errors.Is(err, errUndo) {
		return nil
	}
	return err
}

// flush runs the transaction of a flush, whose partition it makes sure of.
func (s *Store) flush(ctx context.Context, f Flush, run func(ctx context.Context, tx *sql.Tx) error) error {
	return s.inPartition(ctx, f.Hour, func() error { return s.write(ctx, "flush", run) })
}

// inPartition runs what stores blocks of an arrival hour.
func (s *Store) inPartition(ctx context.Context, hour int64, run func() error) error {
	if err := s.ensurePartition(ctx, hour); err != nil {
		return s.wrap("flush", err)
	}
	err := run()
	if s.db.Classify(err) == dialect.NoPartition {
		s.db.Partitions.Forget() // dropped by another daemon just now
		return fmt.Errorf("flush: %w: a partition went away", ErrBusy)
	}
	return err
}

func (s *Store) ensurePartition(ctx context.Context, hour int64) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	return s.db.Partitions.Ensure(ctx, s.db.Write, "flush_block", hour, 1)
}

func (s *Store) commit(ctx context.Context, tx *sql.Tx, f Flush) (bool, error) {
	have, found, err := s.lockWriter(ctx, tx, f.Writer)
	if err != nil {
		return false, err
	}
	switch {
	case found && have.Position == f.To:
		return false, nil
	case have.Position != f.From:
		return false, &PositionError{Have: have.Position, From: f.From, To: f.To}
	}
	if err := s.checkNames(ctx, tx, f.Named); err != nil {
		return false, err
	}
	if err := s.insertBlocks(ctx, tx, f); err != nil {
		return false, err
	}
	if err := s.insertEvents(ctx, tx, f); err != nil {
		return false, err
	}
	next := have.after(f)
	counts, err := json.Marshal(counted{next.Counts, next.Blocks})
	if err != nil {
		return false, err
	}
	query := "UPDATE writer_position SET position = $2, seq = $3, counts = $4, updated_at = $5, watermark = $6, left_at = 0 WHERE writer = $1 AND position = $7"
	args := []any{f.Writer, int64(f.To), int64(f.Seq), string(counts), next.UpdatedAt.UnixMilli(), f.Until, int64(f.From)}
	if !found {
		query = "INSERT INTO writer_position (writer, position, seq, counts, updated_at, watermark) VALUES ($1, $2, $3, $4, $5, $6)"
		args = args[:6]
	}
	res, err := tx.ExecContext(ctx, s.db.Bind(query), args...)
	if err != nil {
		return false, err
	}
	if n, err := res.RowsAffected(); err != nil || n != 1 {
		return false, errors.Join(err, &PositionError{Have: have.Position, From: f.From, To: f.To})
	}
	s.wrote.Store(&next)
	return true, nil
}

// counted is the column counts of a writer's row.
type counted struct {
	Counts
	Blocks uint64 `json:"blocks,omitempty"`
}

// after returns what the writer's row says once a flush is stored.
func (w Writer) after(f Flush) Writer {
	return Writer{
		ID: f.Writer, Position: f.To, Seq: f.Seq, Counts: w.Counts.add(f.Counts), UpdatedAt: time.Now(), Watermark: f.Until,
		Blocks: w.Blocks + uint64(len(f.Blocks)),
	}
}

// lockWriter reads the writer's row and keeps others from it.
func (s *Store) lockWriter(ctx context.Context, tx *sql.Tx, id string) (w Writer, found bool, err error) {
	err = s.eachWriter(ctx, tx, func(row Writer) { w, found = row, true }, " WHERE writer = $1"+s.db.ForUpdate, id)
	return w, found, err
}

// insertBatch bounds the bytes of one statement.
const insertBatch = 4 << 20

func (s *Store) insertBlocks(ctx context.Context, tx *sql.Tx, f Flush) error {
	for from := 0; from < len(f.Blocks); {
		to, size := from, 0
		for to < len(f.Blocks) && size < insertBatch {
			size += len(f.Blocks[to].Data)
			to++
		}
		n := to - from
		hours, shards, writers, seqs, data := make([]int64, n), make([]int64, n), make([]string, n), make([]int64, n), make([][]byte, n)
		for i, b := range f.Blocks[from:to] {
			hours[i], shards[i], writers[i], seqs[i], data[i] = f.Hour, b.Shard, f.Writer, int64(f.Seq), b.Data
		}
		err := s.insert(ctx, tx, "INSERT INTO flush_block (arrival_hour, shard, writer, seq, data)", []dialect.Column{
			{Name: "arrival_hour", Values: hours}, {Name: "shard", Values: shards}, {Name: "writer", Values: writers},
			{Name: "seq", Values: seqs}, {Name: "data", Values: data},
		}, "")
		if err != nil {
			return err
		}
		from = to
	}
	return nil
}
