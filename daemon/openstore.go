package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"example.com/nexusctl/storage"
	"example.com/nexusctl/storage/migrate"
)

// storePatience is how long a start waits for a store that does not answer, as
// when both start together.
const storePatience = 15 * time.Second

// openStore opens the store and brings an older schema up to date. A newer one
// is refused: an older daemon must not write what it does not understand.
func openStore(ctx context.Context, o storage.Options, log *slog.Logger) (*storage.Store, error) {
	deadline := time.Now().Add(storePatience)
	for {
		s, err := tryStore(ctx, o, log)
		if err == nil || !errors.Is(err, storage.ErrUnavailable) || time.Now().After(deadline) {
			return s, err
		}
		log.Warn("the store does not answer yet", "error", err, "giving_up_in", time.Until(deadline).Round(time.Second))
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func tryStore(ctx context.Context, o storage.Options, log *slog.Logger) (*storage.Store, error) {
	s, err := storage.Open(ctx, o)
	if !errors.Is(err, storage.ErrSchemaOld) {
		return s, err
	}
	applied, err := migrateUp(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("bring the store's schema up to date: %w", err)
	}
	log.Info("the store's schema was brought up to date", "migrations", applied)
	return storage.Open(ctx, o)
}

func migrateUp(ctx context.Context, o storage.Options) (applied int, err error) {
	m, err := migrate.Open(ctx, o.URL, o.DataDir, o.Password)
	if err != nil {
		return 0, err
	}
	done, err := m.Up(ctx)
	return len(done), errors.Join(err, m.Close())
}
