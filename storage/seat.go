package storage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"example.com/nexusctl/storage/dialect"
)

var (
	// ErrReplacing reports a store that is being replaced just now.
	ErrReplacing = errors.New("the store is being restored: no daemon may work on it until that is done")
	// errSeatLost reports a connection that is another one now.
	errSeatLost = errors.New("the connection that holds the daemon's locks is gone; behind a pooler, sessions must be kept")
)

// Seat is a daemon's place among those of one Postgres: a connection of its
// own, for as long as which it counts as there, and may lead. The locks are the
// session's, so they go when the connection does, whatever it ends by.
type Seat struct {
	db      *dialect.Database
	conn    *sql.Conn
	backend int
	leads   bool
}

// seatTimeout bounds each word with the database: who cannot get an answer
// cannot know whether it leads.
const seatTimeout = 2 * time.Second

// TakeSeat connects. An SQLite store has none to take: its one daemon is told
// by the data directory's lock.
func (s *Store) TakeSeat(ctx context.Context) (*Seat, error) {
	db, err := dialect.Open(ctx, s.seat)
	if err != nil {
		return nil, err
	}
	seat := &Seat{db: db}
	if err := seat.sit(ctx); err != nil {
		return nil, errors.Join(s.wrap("take a seat at the store", err), seat.Close())
	}
	return seat, nil
}

func (s *Seat) sit(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, seatTimeout)
	defer cancel()
	if s.conn, err = s.db.Write.Conn(ctx); err != nil {
		return err
	}
	// A machine that is gone says nothing: the server asks it, and lets go of
	// its locks when it does not answer.
	for _, q := range []string{"SET tcp_keepalives_idle = 2", "SET tcp_keepalives_interval = 2", "SET tcp_keepalives_count = 2", "SET idle_session_timeout = 0"} {
		_, _ = s.conn.ExecContext(ctx, q) // an older server does not know one of them
	}
	var there bool
	err = s.conn.QueryRowContext(ctx, "SELECT pg_backend_pid(), pg_try_advisory_lock_shared("+dialect.PresenceLock+")").Scan(&s.backend, &there)
	if err == nil && !there {
		err = ErrReplacing
	}
	return err
}

// Lead tells whether this daemon leads, and makes it the leader where there is
// none. After an error the seat is lost, and whatever it held.
func (s *Seat) Lead(ctx context.Context) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, seatTimeout)
	defer cancel()
	query := "SELECT pg_backend_pid(), pg_try_advisory_lock(" + dialect.LeaderLock + ")"
	if s.leads { // the lock counts how often it was taken
		query = "SELECT pg_backend_pid(), true"
	}
	var backend int
	if err := s.conn.QueryRowContext(ctx, query).Scan(&backend, &s.leads); err != nil {
		return false, fmt.Errorf("ask who leads: %w", err)
	}
	if backend != s.backend {
		return false, errSeatLost
	}
	return s.leads, nil
}

// Close leaves the seat, and with it the lead.
func (s *Seat) Close() error {
	var err error
	if s.conn != nil {
		err = s.conn.Close()
	}
	return errors.Join(err, s.db.Close())
}
