package dump

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"example.com/nexusctl/storage/archive"
)

// Rows travel as PostgreSQL's binary COPY has them, whichever database they come
// from: Postgres reads and writes that by itself, and for SQLite it is one short
// codec. Numbers are big endian.
const (
	signature = "PGCOPY\n\xff\r\n\x00"
	// maxField bounds a value, as Postgres does.
	maxField = 1 << 30
	// maxColumns bounds a table.
	maxColumns = 1600
)

// Names of the types that both databases have.
const (
	bigint   = "bigint"
	integer  = "integer"
	smallint = "smallint"
	boolean  = "boolean"
	double   = "double precision"
	text     = "text"
	bytea    = "bytea"
	jsonb    = "jsonb"
)

var errTuple = errors.New("rows that are malformed")

// fixed are the sizes of values that have one.
var fixed = map[string]int{bigint: 8, integer: 4, smallint: 2, boolean: 1, double: 8}

// tupleWriter writes rows.
type tupleWriter struct {
	w    *bufio.Writer
	cols []archive.Column
	row  []byte
	rows int64
}

func newTupleWriter(w io.Writer, cols []archive.Column) (*tupleWriter, error) {
	t := &tupleWriter{w: bufio.NewWriterSize(w, 64<<10), cols: cols}
	_, err := t.w.Write(append([]byte(signature), 0, 0, 0, 0, 0, 0, 0, 0))
	return t, err
}

// Write writes one row, of values as adapt takes them.
func (t *tupleWriter) Write(values []any) error {
	t.row = binary.BigEndian.AppendUint16(t.row[:0], uint16(len(t.cols)))
	for i, c := range t.cols {
		v, err := adapt(values[i], c.Type)
		if err != nil {
			return fmt.Errorf("column %s: %w", c.Name, err)
		}
		t.row = appendField(t.row, v, c.Type)
	}
	t.rows++
	_, err := t.w.Write(t.row)
	return err
}

// Close ends the rows.
func (t *tupleWriter) Close() error {
	_, err := t.w.Write([]byte{0xff, 0xff})
	return errors.Join(err, t.w.Flush())
}

func appendField(b []byte, v any, kind string) []byte {
	if v == nil {
		return append(b, 0xff, 0xff, 0xff, 0xff)
	}
	at := len(b)
	b = append(b, 0, 0, 0, 0)
	switch v := v.(type) {
	case int64:
		switch kind {
		case smallint:
			b = binary.BigEndian.AppendUint16(b, uint16(v))
		case integer:
			b = binary.BigEndian.AppendUint32(b, uint32(v))
		default:
			b = binary.BigEndian.AppendUint64(b, uint64(v))
		}
	case bool:
		if b = append(b, 0); v {
			b[len(b)-1] = 1
		}
	case float64:
		b = binary.BigEndian.AppendUint64(b, math.Float64bits(v))
	case string:
		if kind == jsonb {
			b = append(b, 1)
		}
		b = append(b, v...)
	case []byte:
		b = append(b, v...)
	}
	binary.BigEndian.PutUint32(b[at:], uint32(len(b)-at-4))
	return b
}

// adapt makes of a value what a type holds: the two databases do not agree on
// how they call a truth, a small number and a document.
func adapt(v any, kind string) (any, error) {
	switch kind {
	case bigint, integer, smallint:
		switch v := v.(type) {
		case nil:
			return nil, nil
		case int64:
			if spare := 64 - 8*fixed[kind]; v<<spare>>spare != v {
				return nil, fmt.Errorf("%d does not fit into a %s", v, kind)
			}
			return v, nil
		case bool:
			if v {
				return int64(1), nil
			}
			return int64(0), nil
		}
	case boolean:
		switch v := v.(type) {
		case nil, bool:
			return v, nil
		case int64:
			return v != 0, nil
		}
	case double:
		switch v := v.(type) {
		case nil, float64:
			return v, nil
		case int64:
			return float64(v), nil
		}
	case text, jsonb:
		switch v := v.(type) {
		case nil, string:
			return v, nil
		case []byte:
			return string(v), nil
		}
	case bytea:
		switch v := v.(type) {
		case nil, []byte:
			return v, nil
		case string:
			return []byte(v), nil
		}
	default:
		return nil, fmt.Errorf("the type %s is not one that both databases have", kind)
	}
	return nil, fmt.Errorf("a value of type %T is no %s", v, kind)
}

// tupleReader reads rows.
type tupleReader struct {
	r      *bufio.Reader
	cols   []archive.Column
	values []any
	field  []byte
}

func newTupleReader(r io.Reader, cols []archive.Column) (*tupleReader, error) {
	t := &tupleReader{r: bufio.NewReaderSize(r, 64<<10), cols: cols, values: make([]any, len(cols))}
	if len(cols) > maxColumns {
		return nil, fmt.Errorf("%w: %d columns", errTuple, len(cols))
	}
	head := make([]byte, len(signature)+8)
	if _, err := io.ReadFull(t.r, head); err != nil {
		return nil, short(err)
	}
	if string(head[:len(signature)]) != signature || binary.BigEndian.Uint32(head[len(signature):]) != 0 {
		return nil, fmt.Errorf("%w: they do not begin as rows do", errTuple)
	}
	extension := binary.BigEndian.Uint32(head[len(signature)+4:])
	if _, err := io.CopyN(io.Discard, t.r, int64(extension)); err != nil {
		return nil, short(err)
	}
	return t, nil
}

func short(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: they end too early", errTuple)
	}
	return err
}

// Next returns one row, in memory that the next one uses again, but for its
// bytes and strings. io.EOF follows the last.
func (t *tupleReader) Next() ([]any, error) {
	var head [2]byte
	if _, err := io.ReadFull(t.r, head[:]); err != nil {
		return nil, short(err)
	}
	n := int16(binary.BigEndian.Uint16(head[:]))
	if n == -1 {
		if _, err := t.r.ReadByte(); !errors.Is(err, io.EOF) {
			return nil, errors.Join(err, fmt.Errorf("%w: something follows their end", errTuple))
		}
		return nil, io.EOF
	}
	if int(n) != len(t.cols) {
		return nil, fmt.Errorf("%w: a row of %d values has %d columns", errTuple, n, len(t.cols))
	}
	for i, c := range t.cols {
		v, err := t.value(c.Type)
		if err != nil {
			return nil, fmt.Errorf("column %s: %w", c.Name, err)
		}
		t.values[i] = v
	}
	return t.values, nil
}

func (t *tupleReader) value(kind string) (any, error) {
	var head [4]byte
	if _, err := io.ReadFull(t.r, head[:]); err != nil {
		return nil, short(err)
	}
	n := int32(binary.BigEndian.Uint32(head[:]))
	if n == -1 {
		return nil, nil
	}
	if n < 0 || n > maxField || fixed[kind] != 0 && int(n) != fixed[kind] {
		return nil, fmt.Errorf("%w: a %s of %d bytes", errTuple, kind, n)
	}
	if err := t.take(int(n)); err != nil {
		return nil, short(err)
	}
	b := t.field
	switch kind {
	case bigint:
		return int64(binary.BigEndian.Uint64(b)), nil
	case integer:
		return int64(int32(binary.BigEndian.Uint32(b))), nil
	case smallint:
		return int64(int16(binary.BigEndian.Uint16(b))), nil
	case boolean:
		return b[0] != 0, nil
	case double:
		return math.Float64frombits(binary.BigEndian.Uint64(b)), nil
	case text:
		return string(b), nil
	case jsonb:
		if len(b) == 0 || b[0] != 1 {
			return nil, fmt.Errorf("%w: a document of a version that is not known", errTuple)
		}
		return string(b[1:]), nil
	case bytea:
		return append(make([]byte, 0, len(b)), b...), nil
	}
	return nil, fmt.Errorf("the type %s is not one that both databases have", kind)
}

// take reads n bytes of a field. A length that lies costs no more memory than
// there are bytes.
func (t *tupleReader) take(n int) error {
	t.field = t.field[:0]
	for len(t.field) < n {
		from := len(t.field)
		step := min(n-from, max(64<<10, from))
		if cap(t.field)-from < step {
			grown := make([]byte, from, from+step)
			copy(grown, t.field)
			t.field = grown
		}
		t.field = t.field[:from+step]
		if _, err := io.ReadFull(t.r, t.field[from:]); err != nil {
			return err
		}
	}
	return nil
}

// converted gives rows of some types as rows of others.
type converted struct {
	from *tupleReader
	to   *tupleWriter
	buf  chunk
	done bool
}

// chunk keeps what was written until it is read.
type chunk struct{ b []byte }

func (c *chunk) Write(b []byte) (int, error) { c.b = append(c.b, b...); return len(b), nil }

// convert returns r itself where the types are the same.
func convert(r io.Reader, from, to []archive.Column) (io.Reader, error) {
	same := len(from) == len(to)
	for i := range from {
		same = same && from[i].Type == to[i].Type
	}
	if same {
		return r, nil
	}
	rows, err := newTupleReader(r, from)
	if err != nil {
		return nil, err
	}
	c := &converted{from: rows}
	c.to, err = newTupleWriter(&c.buf, to)
	return c, err
}

func (c *converted) Read(b []byte) (int, error) {
	for len(c.buf.b) == 0 {
		if c.done {
			return 0, io.EOF
		}
		values, err := c.from.Next()
		switch {
		case errors.Is(err, io.EOF):
			c.done, err = true, c.to.Close()
		case err == nil:
			err = c.to.Write(values)
		}
		if err != nil {
			return 0, err
		}
	}
	n := copy(b, c.buf.b)
	c.buf.b = c.buf.b[:copy(c.buf.b, c.buf.b[n:])]
	return n, nil
}
