package dialect

import (
	"errors"
	"path/filepath"
	"time"
)

// ErrUnavailable reports a database that is not there now.
var ErrUnavailable = errors.New("the store is not available")

// ChunkFile returns the file that holds the chunks of one day, a number of
// days since 1970, beside an SQLite database.
func ChunkFile(database string, day int64) string {
	return filepath.Join(filepath.Dir(database), "chunks-"+time.Unix(day*24*60*60, 0).UTC().Format(time.DateOnly)+".db")
}
