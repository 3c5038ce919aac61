// Package daemon puts the stages together: it is the one place that knows
// their order, and it decides nothing that a stage could decide.
//
// Start opens from the bottom up, store, log, recovery, lanes, doors; Stop
// closes in reverse, so that whatever was taken at the top reaches the bottom.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"example.com/nexusctl/daemon/admit"
	"example.com/nexusctl/daemon/aggregate"
	"example.com/nexusctl/daemon/api"
	"example.com/nexusctl/daemon/backup"
	"example.com/nexusctl/daemon/config"
	"example.com/nexusctl/daemon/delivery"
	"example.com/nexusctl/daemon/fairqueue"
	"example.com/nexusctl/daemon/flush"
	"example.com/nexusctl/daemon/follow"
	"example.com/nexusctl/daemon/gateway"
	"example.com/nexusctl/daemon/ingest"
	"example.com/nexusctl/daemon/lane"
	"example.com/nexusctl/daemon/leader"
	"example.com/nexusctl/daemon/ledger"
	"example.com/nexusctl/daemon/live"
	"example.com/nexusctl/daemon/logs"
	"example.com/nexusctl/daemon/maint"
	"example.com/nexusctl/daemon/objective"
	"example.com/nexusctl/daemon/pace"
	"example.com/nexusctl/daemon/pressure"
	"example.com/nexusctl/daemon/query"
	"example.com/nexusctl/daemon/stream"
	"example.com/nexusctl/daemon/telemetry"
	"example.com/nexusctl/daemon/wal"
	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/unicodename"
	"example.com/nexusctl/storage"
)

// Daemon is a running daemon.
type Daemon struct {
	config config.Config // as it started; what can change live is in settings
	logger *slog.Logger
	levels *logs.Log
	now    func() time.Time

	settings atomic.Pointer[config.Resolved]
	reloader reloader

	store   *storage.Store
	log     *wal.Log
	page    *ledger.Page
	catalog *admit.Catalog
	book    *ledger.Book
	head    *query.Head
	lanes   *lane.Set
	live    *live.Window

	pressure *pressure.Gauge

	deliveries *delivery.Registry
	loop       *flush.Loop
	auditor    *ledger.Auditor
	reader     *query.Reader
	stream     *stream.Hub
	engine     *query.Engine
	doors      *ingest.Server
	api        *api.Server
	gateway    *gateway.Gateway
	http       *http.Server
	h2         h2Errors
	turns      *fairqueue.Queue
	pace       *pace.Pacer
	maint      *maint.Maintainer
	elector    *leader.Elector
	follower   *follow.Follower
	addr       net.Addr
	started    time.Time
	origin     time.Time // of the time that passes whatever the clock says
	clock      clockWatch
	version    string

	requests   *telemetry.Requests
	ingested   *telemetry.Timer
	pulse      *telemetry.Pulse
	objectives *objective.Keeper
	tracer     *telemetry.Tracer
	busy       atomic.Pointer[[]flush.Busy] // of the last stored generation

	purger  *maint.Purger
	deleter *flush.Deleter
	said    descriptions

	background sync.WaitGroup
	running    context.Context    // ends with cancel
	cancel     context.CancelFunc // ends sequencer, flush loop and maintenance
	stopBeat   func()             // ends the daemon's own signals, and waits
	failed     chan error         // the first failure that ends the daemon
	closers    closers
}

// Options are what the command line gives beside the configuration.
type Options struct {
	Settings *config.Resolved
	// Read reads the settings again, for a reload; nil where there is none.
	Read    func() (*config.Resolved, error)
	Log     *logs.Log
	Version string
	Now     func() time.Time // default time.Now
}

// Start brings a daemon up. When it returns without error, the daemon listens.
// ctx bounds the start alone.
func Start(ctx context.Context, o Options) (*Daemon, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	c := o.Settings.Config
	d := &Daemon{
		config: c, logger: o.Log.With(logs.Component, "daemon"), levels: o.Log, now: o.Now, started: o.Now(), origin: time.Now(), version: o.Version,
		book: new(ledger.Book), failed: make(chan error, 1),
		catalog: admit.NewCatalog(c.Ingest.MaxSeries),
		head:    query.NewHead(int64(c.Storage.HeadBytes)),
	}
	d.catalog.SetBudgets(budgets(&c.Ingest))
	d.auditor = &ledger.Auditor{Read: d.Ledger, Logger: d.component("ledger")}
	d.settings.Store(o.Settings)
	d.reloader.read = o.Read
	d.openPressure()
	d.requests = telemetry.NewRequests(o.Now)
	d.ingested = telemetry.NewTimer("nexus_ingest_duration_seconds", "Time from the last byte of a chunk of lines to logged and folded.")
	d.pulse = telemetry.NewPulse(d.requests, d.ingested.Window())
	if err := d.start(ctx); err != nil {
		return nil, errors.Join(err, d.closers.close(d.logger))
	}
	return d, nil
}

func (d *Daemon) start(ctx context.Context) error {
	if err := d.openTracing(ctx); err != nil {
		return err
	}
	release, err := LockDataDir(d.config.Server.DataDir)
	if err != nil {
		return err
	}
	d.closers.add("data directory", release)
	if finished, err := backup.Finish(d.config.Server.DataDir); err != nil {
		return err
	} else if finished {
		d.logger.Warn("a restore that was interrupted was brought to its end")
	}
	if err := d.openStore(ctx); err != nil {
		return err
	}
	if err := d.takeSeat(ctx); err != nil {
		return err
	}
	if err := d.openLog(); err != nil {
		return err
	}
	if err := d.recover(ctx); err != nil {
		return err
	}
	if err := d.openReads(); err != nil {
		return err
	}
	d.runBackground()
	return d.openDoors()
}

// component returns the logger of one part of the daemon.
func (d *Daemon) component(name string) *slog.Logger { return d.levels.With(logs.Component, name) }

// Config returns the settings as they are now.
func (d *Daemon) Config() config.Config { return d.settings.Load().Config }

// Addr returns the address of the main listener.
func (d *Daemon) Addr() net.Addr { return d.addr }

// Failed yields the failure that makes going on pointless, if one comes.
func (d *Daemon) Failed() <-chan error { return d.failed }

func (d *Daemon) fail(err error) {
	if err == nil {
		return
	}
	select {
	case d.failed <- err:
	default:
	}
}

// traceFlush bounds what a stop waits for the receiver of spans.
const traceFlush = 3 * time.Second

func (d *Daemon) openTracing(ctx context.Context) error {
	c := d.config.Tracing
	tracer, err := telemetry.NewTracer(ctx, telemetry.TracingOptions{
		Endpoint: c.Endpoint, Protocol: c.Protocol, Sample: float64(c.Sample), Version: d.version,
	})
	if err != nil {
		return err
	}
	d.tracer = tracer
	d.closers.add("tracing", func() error {
		ctx, cancel := context.WithTimeout(context.Background(), traceFlush)
		defer cancel()
		if err := tracer.Close(ctx); err != nil {
			d.component("telemetry").Warn("spans were not sent", "error", err)
		}
		return nil // a receiver that is away must not make a clean stop look bad
	})
	return nil
}

func (d *Daemon) openStore(ctx context.Context) error {
	c := d.config.Storage
	store, err := openStore(ctx, storage.Options{
		URL: c.URL, DataDir: d.config.Server.DataDir, Password: c.Password.Reveal(),
		MaxConns: c.MaxConnections, Timeout: time.Duration(c.Timeout), Logger: d.component("storage"),
	}, d.logger)
	if err != nil {
		return err
	}
	d.store = store
	d.closers.add("store", store.Close)
	return nil
}

func (d *Daemon) logDir() string {
	return filepath.Join(d.config.Server.DataDir, "log", d.store.ID())
}

func (d *Daemon) openLog() error {
	dir := d.logDir()
	c := d.config.WAL
	log, err := wal.Open(dir, wal.Options{
		SegmentSize: int64(c.SegmentSize), Sync: syncPolicy(c.Sync), Interval: time.Duration(c.Interval), Logger: d.component("wal"),
	})
	if err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	d.log = log
	d.closers.add("log", log.Close)
	if d.page, err = ledger.OpenPage(filepath.Join(dir, "received")); err != nil {
		return err
	}
	d.closers.add("received counters", d.page.Close)
	return nil
}

func syncPolicy(name string) wal.SyncPolicy {
	switch name {
	case "always":
		return wal.SyncAlways
	case "never":
		return wal.SyncNever
	}
	return wal.SyncInterval
}

func (d *Daemon) foldOptions() aggregate.Options {
	return aggregate.Options{Resolution: d.config.Aggregate.Resolution.Milliseconds(), Schema: d.config.Aggregate.Schema}
}

// limits returns what lines are held to. What the store would give up at once
// is not taken.
func limits(c *config.Config) protocol.Limits {
	l := protocol.DefaultLimits()
	l.MaxLine, l.Future = int(c.Ingest.MaxLine), c.Ingest.Future.Milliseconds()
	l.Past = min(c.Ingest.Past, c.Storage.Retention1h).Milliseconds()
	l.AbsoluteGauges = c.Ingest.Dialect == "dogstatsd"
	if c.Ingest.Names == "unicode" {
		l.Names = unicodename.Rules{}
	}
	return l
}

// openReads sets up everything that answers.
func (d *Daemon) openReads() error {
	d.openLive()
	d.openFollower()
	d.reader = query.NewReader(d.lanes, d.store, d.catalog, d.head, d.log.ID(), query.Options{
		Resolution: d.config.Aggregate.Resolution.Milliseconds(), Idle: d.config.Aggregate.Idle.Milliseconds(),
		MaxSeries: d.config.Query.MaxSeries, Live: d.live, Now: d.now, Alone: d.alone(), Others: d.followed(),
	})
	d.engine = query.NewEngine(d.reader, query.Limits{
		Timeout: time.Duration(d.config.Query.Timeout), MaxSamples: d.config.Query.MaxSamples,
		MaxLength: int(d.config.Query.MaxLength), MaxDepth: d.config.Query.MaxDepth,
	}, d.component("query"))
	d.openStream()
	d.maint = maint.New(d.store, d.head, d.lanes.Collector(), d.component("maint"), d.now).WithTiers(d.store, d.tiers).WithLead(d.elector.Lead, d.elector.Won())
	d.openDeleter()
	list, err := objective.Compile(d.config.SLO)
	if err != nil {
		return err
	}
	source := objective.NewSource(d.reader, d.now, func() time.Duration { return time.Duration(d.Config().Ingest.Past) + settleHours })
	d.objectives = objective.NewKeeper(source, list, d.now, d.component("slo"))
	return nil
}

// eventKeeper drops events when their time is over.
func (d *Daemon) eventKeeper() *maint.EventKeeper {
	return &maint.EventKeeper{
		Store: d.store, Keep: func() time.Duration { return time.Duration(d.Config().Ingest.KeepEvents) }, Now: d.now, Logger: d.component("maint"), Lead: d.elector.Lead,
	}
}

// settleHours is how much longer than late data may come an hour's counts are
// taken for final: what came last has to be stored first.
const settleHours = 2 * time.Hour

// runBackground starts what works on its own until Stop.
func (d *Daemon) runBackground() {
	ctx, cancel := context.WithCancel(context.Background())
	d.running, d.cancel = ctx, cancel
	d.background.Go(func() { d.fail(d.lanes.Sequence(ctx)) })
	d.background.Go(func() { d.fail(d.loop.Run(ctx)) })
	d.background.Go(func() { d.lanes.Collector().PackWaiting(ctx) })
	d.runFleet(ctx)
	d.background.Go(func() { d.maint.Run(ctx) })
	d.background.Go(func() { d.store.KeepIndex(ctx) })
	d.background.Go(func() { d.learnNames(ctx) })
	d.background.Go(func() { d.purger.Run(ctx) })
	d.background.Go(func() { d.eventKeeper().Run(ctx) })
	d.background.Go(func() { d.watchBooks(ctx) })
	d.background.Go(func() { d.watchSettings(ctx) })
	d.background.Go(func() { d.objectives.Run(ctx) })
	d.background.Go(func() { d.live.Run(ctx) })
	d.background.Go(func() { d.stream.Run(ctx) })
	d.background.Go(func() { d.pressure.Run(ctx) })
	d.background.Go(func() { pressure.KeepHeadroom(ctx) })
	d.background.Go(func() {
		select {
		case <-d.log.Failed():
			d.fail(fmt.Errorf("the log failed: %w", d.log.Err()))
		case <-ctx.Done():
		}
	})
}
