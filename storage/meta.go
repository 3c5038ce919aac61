package storage

import (
	"context"
	"database/sql"
)

// SetMeta records a metric's description and unit.
func (s *Store) SetMeta(ctx context.Context, name, description, unit string) error {
	return s.write(ctx, "describe metric", func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, s.db.Bind("INSERT INTO metric (name, description, unit) VALUES ($1, $2, $3) ON CONFLICT (name) DO UPDATE SET description = excluded.description, unit = excluded.unit"),
			name, description, unit)
		return err
	})
}
