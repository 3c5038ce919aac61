package torture

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"path/filepath"
	"time"

	"example.com/nexusctl/protocol/api"
	"example.com/nexusctl/protocol/client"
)

// rig is what one experiment works with: its directory, its choices, its
// daemon.
type rig struct {
	opts  *Options
	row   *Row
	rand  *rand.Rand
	dir   string
	run   string // names this run in the store
	stage stage
	lost  context.CancelCauseFunc // ends the experiment: its daemon has ended by itself

	dataDir string // where it is not below dir
	bucket  string // the width of one, where it is not 1s
	storage string // where it is not Options.Storage
	addr    string
	http    *client.HTTP
	daemon  *child
	before  api.Ledger // when the experiment began
}

// cycles counts the experiment's rounds, for as many as there shall be.
func (r *rig) cycles(ctx context.Context) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := 0; ctx.Err() == nil && r.stage.more(i); i++ {
			r.stage.tell(i)
			if !yield(i) {
				return
			}
			r.row.Cycles = i + 1
		}
	}
}

// between draws a time.
func (r *rig) between(from, to time.Duration) time.Duration {
	return from + time.Duration(r.rand.Int64N(int64(to-from)))
}

// sleep ends early with ctx.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// begin starts the experiment's daemon and notes its ledger.
func (r *rig) begin(ctx context.Context) (err error) {
	if r.addr, err = freeAddr(); err != nil {
		return err
	}
	if r.http, err = client.NewHTTP(r.addr); err != nil {
		return err
	}
	if err := r.start(ctx); err != nil {
		return err
	}
	r.before, err = r.ledger(ctx)
	return err
}

// start starts the daemon, with settings of its own each time, and waits until
// it has recovered.
func (r *rig) start(ctx context.Context) error {
	if err := r.launch(); err != nil {
		return err
	}
	return r.daemon.ready(ctx)
}

func (r *rig) launch() (err error) {
	l := launch{executable: r.opts.Executable, addr: r.addr, dir: r.dir, dataDir: r.data(), settings: r.settings(), lost: r.lost}
	if r.storage == "" {
		r.storage = r.opts.Storage
	}
	if r.storage != "" {
		l.env = append(l.env, "NEXUS_STORAGE_URL="+r.storage) // a password must not be seen by ps
	}
	if r.opts.Password != "" {
		l.env = append(l.env, "NEXUS_STORAGE_PASSWORD="+r.opts.Password)
	}
	r.daemon, err = startChild(l)
	return err
}

func (r *rig) data() string {
	if r.dataDir == "" {
		r.dataDir = filepath.Join(r.dir, "data")
	}
	return r.dataDir
}

// settings make much happen in little time: short buckets, so that flushes
// meet kills; small segments, so that they end; and, drawn anew, how many
// lanes there are and when the log is synced: a kill costs nothing that was
// written, under any of them.
func (r *rig) settings() []string {
	sync := []string{"interval", "always", "never"}[r.rand.IntN(3)]
	return []string{
		"aggregate.resolution=" + cmp.Or(r.bucket, "1s"), "wal.segment_size=1MiB", "storage.head_bytes=32MiB", "log.format=text",
		fmt.Sprintf("ingest.lanes=%d", 1+r.rand.IntN(4)), "wal.sync=" + sync,
	}
}

// ledger reads the ledger and holds it to its law.
func (r *rig) ledger(ctx context.Context) (api.Ledger, error) {
	l, err := r.http.Ledger(ctx)
	if err != nil {
		return l, r.unanswered(ctx, err)
	}
	if err := l.Check(); err != nil {
		return l, broken("%v: %+v", err, l)
	}
	return l, nil
}

// sums reads what is stored of a counter, by the sender's number.
func (r *rig) sums(ctx context.Context, name string) (map[string]float64, error) {
	d, err := r.http.Metric(ctx, name)
	var problem *client.ProblemError
	switch {
	case errors.As(err, &problem) && problem.Status == 404:
		return nil, nil // nothing of it was received yet
	case err != nil:
		return nil, r.unanswered(ctx, err)
	}
	sums := map[string]float64{}
	for _, s := range d.Series {
		if s.Last != nil {
			sums[s.Tags["p"]] += *s.Last
		}
	}
	return sums, nil
}

// unanswered says what became of a daemon that should have answered.
func (r *rig) unanswered(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if gone := r.daemon.alive(); gone != nil {
		return gone
	}
	return broken("the daemon does not answer as it should: %v: %s", err, r.daemon.said())
}

// close ends what is still running.
func (r *rig) close() {
	if r.daemon != nil {
		r.daemon.put()
	}
}
