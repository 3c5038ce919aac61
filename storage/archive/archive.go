// Package archive is the file format of a backup: a header, named parts, and a
// manifest that repeats what each part was. It is written and read as a stream,
// in bounded memory, so a backup may go through a pipe; and it knows nothing of
// stores and logs.
//
// Whoever reads has every byte checked: frames carry a chained checksum, parts
// a SHA-256 of what they held, and the manifest lists the parts in order. A
// file that is cut, altered, put together from two or followed by more is an
// error that says where; what was read before it must not be used.
//
// docs/format/backup.md describes every byte.
package archive

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"time"
)

const (
	magic = "NXBKUP01"
	// maxData bounds the payload of a data frame, maxText that of the others.
	maxData = 1 << 20
	maxText = 64 << 20
	// maxParts bounds what is remembered of an archive while it is read.
	maxParts = 1 << 20
	// window bounds what a reader keeps to unpack a part, and what a writer
	// refers back to.
	window = 4 << 20
)

// Kinds of frames.
const (
	frameHeader byte = iota + 1
	framePart
	frameData
	frameEnd
	frameManifest
)

var (
	// ErrForeign reports a file that is no backup of nexusctl.
	ErrForeign = errors.New("this is no backup of nexusctl")
	// ErrDamaged reports a backup that is not as it was written.
	ErrDamaged = errors.New("the backup is damaged")
	// ErrTruncated reports a backup that ends too early.
	ErrTruncated = fmt.Errorf("%w: it ends too early", ErrDamaged)
)

// Header says what a backup is of. It comes first.
type Header struct {
	Made    time.Time `json:"made"`    // when the snapshot was taken
	By      string    `json:"by"`      // version of nexusctl
	Backend string    `json:"backend"` // sqlite or postgres
	Store   string    `json:"store"`   // the store's identity
	Schema  []int64   `json:"schema"`  // migrations that are applied, rising
}

// Kinds of parts.
const (
	Table      = "table"      // rows, as PostgreSQL's binary COPY has them
	Segment    = "segment"    // a file of the log
	Checkpoint = "checkpoint" // of the log
	Letter     = "letter"     // a dead letter
)

// Part names what follows it.
type Part struct {
	Kind    string   `json:"kind"`
	Name    string   `json:"name"` // of the table or the file
	Columns []Column `json:"columns,omitempty"`
	// Span is the number of the stretch of the table's key that a part of a
	// partitioned table holds.
	Span *int64 `json:"span,omitempty"`
	// Reserve is how long a segment's file is, beyond what is in it.
	Reserve int64 `json:"reserve,omitempty"`
}

// Column is one column of a table. Type is PostgreSQL's name of it.
type Column struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

// End says what a part held.
type End struct {
	Rows   int64  `json:"rows"`   // of a table
	Bytes  int64  `json:"bytes"`  // before packing
	SHA256 string `json:"sha256"` // of these bytes
}

// Entry is a part, as the manifest lists it.
type Entry struct {
	Part
	End
}

// Log says which log a backup holds, and where it stands.
type Log struct {
	Writer     string `json:"writer"`     // the log's UUID
	Position   uint64 `json:"position"`   // up to which the store has it
	Checkpoint uint64 `json:"checkpoint"` // from which it can be folded
	End        uint64 `json:"end"`        // up to which the backup has it
	Chain      uint32 `json:"chain"`      // checksum of the frame that ends there
}

// Manifest comes last: a backup without it is not whole.
type Manifest struct {
	Parts []Entry `json:"parts"`
	Log   *Log    `json:"log,omitempty"`
}

// Rows adds up the rows of a table.
func (m *Manifest) Rows(table string) (n int64) {
	for _, p := range m.Parts {
		if p.Kind == Table && p.Name == table {
			n += p.Rows
		}
	}
	return n
}

// Bytes adds up what the parts held before packing.
func (m *Manifest) Bytes() (n int64) {
	for _, p := range m.Parts {
		n += p.End.Bytes
	}
	return n
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

const (
	frameHead = 5 // kind, length
	frameTail = 4 // checksum
)

// sum is the checksum of a frame that follows one whose checksum was chain.
func sum(chain uint32, head, payload []byte) uint32 {
	var b [4]byte
	binary.LittleEndian.PutUint32(b[:], chain)
	s := crc32.Update(0, castagnoli, b[:])
	s = crc32.Update(s, castagnoli, head)
	return crc32.Update(s, castagnoli, payload)
}
