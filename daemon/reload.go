package daemon

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	daemonapi "example.com/nexusctl/daemon/api"
	"example.com/nexusctl/daemon/config"
	"example.com/nexusctl/daemon/logs"
	"example.com/nexusctl/daemon/objective"
	"example.com/nexusctl/daemon/pressure"
	"example.com/nexusctl/protocol/api"
)

// ErrNoReload reports a daemon that was started without a way to read its
// settings again.
var ErrNoReload = errors.New("this daemon cannot read its settings again: restart it")

// reloader reads the settings again, one reload at a time.
type reloader struct {
	mu   sync.Mutex
	read func() (*config.Resolved, error)

	succeeded, failed atomic.Uint64
	lastSuccess       atomic.Int64 // Unix seconds; 0 before the first
	faulty            atomic.Bool  // the last one failed
}

// reloadTimeout bounds what a reload waits for the lanes.
const reloadTimeout = 10 * time.Second

// Reload reads the settings, builds everything that can fail, and only then
// swaps: a bad file leaves the daemon as it was. It returns what changed.
func (d *Daemon) Reload(ctx context.Context) (api.ReloadResult, error) {
	r := &d.reloader
	if r.read == nil {
		return api.ReloadResult{}, ErrNoReload
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	change, err := d.reload(ctx)
	r.faulty.Store(err != nil)
	log := d.component("config")
	if err != nil {
		r.failed.Add(1)
		log.Error("the settings were read again and are at fault; the daemon goes on as it was", "error", err)
		return api.ReloadResult{}, err
	}
	r.succeeded.Add(1)
	r.lastSuccess.Store(d.now().Unix())
	log.Info("the settings were read again", "changed", change.Live, "waiting_for_restart", change.Waiting)
	return api.ReloadResult{Changed: notNil(change.Live), Waiting: notNil(change.Waiting)}, nil
}

func notNil(s []string) []string { return append([]string{}, s...) }

func (d *Daemon) reload(ctx context.Context) (config.Change, error) {
	next, err := d.reloader.read()
	if err != nil {
		return config.Change{}, err
	}
	next, change := next.Over(d.settings.Load())
	levels, err := logs.ParseLevels(next.Config.Log.Level)
	if err != nil {
		return change, err
	}
	objectives, err := objective.Compile(next.Config.SLO)
	if err != nil {
		return change, err
	}
	hosts, err := next.Config.Server.HostNames()
	if err != nil {
		return change, err
	}
	ctx, cancel := context.WithTimeout(ctx, reloadTimeout)
	defer cancel()
	if err := d.lanes.SetLimits(ctx, limits(&next.Config)); err != nil {
		return change, err
	}
	d.swap(next)
	d.api.SetHosts(hosts)
	d.levels.SetLevels(levels)
	d.objectives.Replace(objectives)
	return change, nil
}

// about tells tools of Prometheus what they ask of the server itself.
func (d *Daemon) about() daemonapi.About {
	settings, configured := d.settings.Load(), d.started
	if at := d.reloader.lastSuccess.Load(); at > 0 {
		configured = time.Unix(at, 0)
	}
	return daemonapi.About{
		Started: d.started, Configured: configured, ConfigOK: !d.reloader.faulty.Load(),
		Retention: time.Duration(settings.Config.Storage.Retention10s), Settings: settings.Public(),
	}
}

// swap gives every part its settings. Nothing here can fail.
func (d *Daemon) swap(next *config.Resolved) {
	c := &next.Config
	d.settings.Store(next)
	d.catalog.SetBudgets(budgets(&c.Ingest))
	d.doors.SetLimits(int(c.Ingest.MaxLine), c.Server.MaxConnections)
	d.doors.SetPatience(c.Server.MaxPerAddress, patience(&c.Ingest))
	d.api.SetPatience(httpPatience(&c.Ingest))
	d.api.SetLimits(int64(c.Ingest.MaxBody), int(c.Ingest.MaxLine))
	d.reader.SetIdle(c.Aggregate.Idle.Milliseconds())
	d.stream.SetClients(c.Server.StreamClients)
	d.head.SetBudget(int64(c.Storage.HeadBytes))
	d.live.SetBytes(int64(c.Aggregate.WindowBytes))
	pressure.TellRuntime(d.pressureLimits().Memory)
	d.tracer.SetSample(float64(c.Tracing.Sample))
}

// watchSettings reloads whenever the settings' file changes, until ctx ends.
func (d *Daemon) watchSettings(ctx context.Context) {
	path := d.settings.Load().Path
	if path == "" || d.reloader.read == nil {
		return
	}
	err := config.Watch(ctx, path, func() {
		_, _ = d.Reload(ctx) // logged and counted there
	})
	if err != nil {
		d.component("config").Warn("the settings file is not watched; SIGHUP and `nexusctl config reload` still read it", "error", err)
	}
}
