//go:build !cgo

package dialect

import (
	"context"
	"database/sql"
)

func openSQLite(context.Context, Config) (*Database, error) { return nil, ErrNoSQLite }

// CreateFile fails with ErrNoSQLite.
func CreateFile(context.Context, string) error { return ErrNoSQLite }

// OpenFile fails with ErrNoSQLite.
func OpenFile(string, bool, int) (*sql.DB, error) { return nil, ErrNoSQLite }
