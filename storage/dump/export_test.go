package dump

import (
	"io"

	"example.com/nexusctl/storage/archive"
)

// NewTupleReader lets tests look into a backup.
func NewTupleReader(r io.Reader, cols []archive.Column) (*tupleReader, error) {
	return newTupleReader(r, cols)
}
