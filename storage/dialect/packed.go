package dialect

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Rows of several queries can come packed from SQLite. Else a row each is a call of C
// each, after which the reader may have lost its processor to somebody who computes. The
// form is row after row: the number of its query, its number of columns, and of each
// column its type, its length, and that many bytes. All of these numbers have 32 bits,
// the high byte first; so do values that are numbers, with 64. A length of -1 is NULL.

// maxPacked bounds the rows that are packed at once, bytes. What is more comes row by
// row.
const maxPacked = 8 << 20

// Types, by their numbers in Postgres.
const (
	typeBytes  = 17
	typeInt    = 20
	typeText   = 25
	typeDouble = 701
)

var errPacked = errors.New("malformed packed row")

// packedRows takes packed rows apart. Bytes that it scans it copies.
type packedRows struct {
	rest  []byte
	query uint32
	room  *Room
	types []uint32
	cols  [][]byte // nil: NULL
	text  string   // the last one: one and the same stands in many rows
}

// each has every row taken.
func (p *packedRows) each(queries []Query) error {
	for len(p.rest) > 0 {
		if err := p.next(); err != nil {
			return err
		}
		if p.query >= uint32(len(queries)) {
			return errPacked
		}
		q := &queries[p.query]
		p.room = q.Room
		if err := q.Take(p); err != nil {
			return err
		}
	}
	return nil
}

// next goes to the next row.
func (p *packedRows) next() error {
	p.query, _ = p.word()
	n, ok := p.word()
	if !ok || uint64(n)*8 > uint64(len(p.rest)) {
		return errPacked
	}
	p.types, p.cols = p.types[:0], p.cols[:0]
	for range n {
		kind, _ := p.word()
		size, ok := p.word()
		if !ok || size != math.MaxUint32 && uint64(size) > uint64(len(p.rest)) {
			return errPacked
		}
		var value []byte
		if size != math.MaxUint32 {
			value, p.rest = p.rest[:size:size], p.rest[size:]
		}
		p.types, p.cols = append(p.types, kind), append(p.cols, value)
	}
	return nil
}

func (p *packedRows) word() (v uint32, ok bool) {
	if len(p.rest) < 4 {
		p.rest = nil
		return 0, false
	}
	v, p.rest = binary.BigEndian.Uint32(p.rest), p.rest[4:]
	return v, true
}

// Scan implements Row.
func (p *packedRows) Scan(dest ...any) error {
	if len(dest) != len(p.cols) {
		return fmt.Errorf("scan a packed row: %d columns are wanted, it has %d", len(dest), len(p.cols))
	}
	for i, d := range dest {
		if err := p.scan(i, d); err != nil {
			return fmt.Errorf("scan a packed row, column %d: %w", i, err)
		}
	}
	return nil
}

func (p *packedRows) scan(i int, dest any) error {
	kind, value := p.types[i], p.cols[i]
	if b, ok := dest.(*[]byte); ok {
		*b = p.room.copy(value)
		return nil
	}
	if value == nil {
		return errors.New("NULL")
	}
	switch d := dest.(type) {
	case *int64:
		return scanInt(kind, value, d)
	case *uint64:
		var v int64
		err := scanInt(kind, value, &v)
		*d = uint64(v)
		return err
	case *float64:
		return scanDouble(kind, value, d)
	case *string:
		if string(value) != p.text {
			p.text = string(value)
		}
		*d = p.text
		return nil
	}
	return fmt.Errorf("into %T", dest)
}

func scanInt(kind uint32, value []byte, to *int64) error {
	if kind != typeInt || len(value) != 8 {
		return fmt.Errorf("type %d of %d bytes where an integer is wanted", kind, len(value))
	}
	*to = int64(binary.BigEndian.Uint64(value))
	return nil
}

// scanDouble takes an integer too: SQLite's values have types, and not its columns.
func scanDouble(kind uint32, value []byte, to *float64) error {
	var n int64
	if err := scanInt(kind, value, &n); err == nil {
		*to = float64(n)
		return nil
	}
	if kind != typeDouble || len(value) != 8 {
		return fmt.Errorf("type %d of %d bytes where a number is wanted", kind, len(value))
	}
	*to = math.Float64frombits(binary.BigEndian.Uint64(value))
	return nil
}

// maxAtOnce bounds the queries that are asked for packed rows at once.
const maxAtOnce = 32

// packable tells whether every query says how many columns it has.
func packable(queries []Query) bool {
	for i := range queries {
		if queries[i].Columns == 0 {
			return false
		}
	}
	return len(queries) > 0 && len(queries) <= maxAtOnce
}

// packSQLite makes one statement of several queries, which packs their rows into a slot
// and answers with how many each had.
func packSQLite(queries []Query, slot int) (text string, args []any) {
	var b strings.Builder
	args = append(args, slot)
	for i, q := range queries {
		columns := "c0"
		for c := 1; c < q.Columns; c++ {
			columns += ", c" + strconv.Itoa(c)
		}
		separator := ", "
		if i == 0 {
			separator = "SELECT "
		}
		b.WriteString(separator + "(WITH q(" + columns + ") AS (" + shiftArgs(q.SQL, len(args)) + ") SELECT nexus_pack($1, " + strconv.Itoa(i) + ", " + columns + ") FROM q)")
		args = append(args, q.Args...)
	}
	return b.String(), args
}

// shiftArgs counts the numbers of a statement's arguments up. It stands for $ in no
// other place: Bind takes it for that too.
func shiftArgs(text string, by int) string {
	if by == 0 {
		return text
	}
	parts := strings.Split(text, "$")
	for i, part := range parts[1:] {
		digits := 0
		for digits < len(part) && part[digits] >= '0' && part[digits] <= '9' {
			digits++
		}
		n, _ := strconv.Atoi(part[:digits])
		parts[i+1] = strconv.Itoa(n+by) + part[digits:]
	}
	return strings.Join(parts, "$")
}
