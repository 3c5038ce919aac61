package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"example.com/nexusctl/loadgen"
	"example.com/nexusctl/protocol/api"
)

// APIOptions say how the API is measured.
type APIOptions struct {
	Length  time.Duration // of each kind of request, idle and again beside the load
	Rate    float64       // requests a second of each kind
	Lines   float64       // lines a second that come in beside
	Series  int           // that the lines are of, each a name of its own; 0: 1,000
	Storage string        // URL of an empty store for the daemon; empty: its own SQLite file
	Profile string        // where a processor profile of the loaded part goes; empty: none
}

// apiSeries is the counter that is asked for, as loadgen names its first.
const apiSeries = "load.counter.0"

// apiHistory is how far back the asked series has points, one each ten seconds.
const apiHistory = 5 * time.Minute

const (
	// apiLeastSeries is how many series there are where nothing else is said.
	apiLeastSeries = 1000
	// apiPrepareRate is at how many lines a second the series are made known.
	apiPrepareRate = 500_000
	// apiEach is how many lines a series has of these on average: none must be left out.
	apiEach = 12
	// apiPerSeries is how long naming one may take the store.
	apiPerSeries = 200 * time.Microsecond
)

// apiWarmUp is how long the load runs before requests are counted beside it.
const apiWarmUp = 3 * time.Second

// apiAsks are the requests that are measured, by name. The floor reads nothing: it is
// what client, system and HTTP server take of every other. The cold ones ask for
// another series each time, which nobody has asked for before; where there are too few
// series for that they are left out.
func (o APIOptions) apiAsks(now time.Time, state string) []ask {
	since := "/history?from=" + strconv.FormatInt(now.Add(-apiHistory).Unix(), 10)
	list := []ask{
		{"floor", always("/api/v1/health")},
		{"point", always(metricPath + apiSeries)},
		{"window", always(metricPath + apiSeries + since)},
		{"list", always("/api/v1/metrics?limit=100")},
		{"promql", always("/prometheus/api/v1/query?query=rate(load_counter_0_total%5B1m%5D)")},
	}
	each := int(o.Rate*o.Length.Seconds()) + askers
	first := 1 // the polled one is 0
	if state != "idle" {
		first += 2 * each
	}
	if last := 1 + 4*each; last*loadgen.TypesPeriod() > o.Series {
		return list
	}
	return append(list, ask{"point-cold", coldFrom(first, "")}, ask{"window-cold", coldFrom(first+each, since)})
}

const metricPath = "/api/v1/metrics/"

func always(path string) func(int) string { return func(int) string { return path } }

// coldFrom asks for one counter after the other.
func coldFrom(first int, rest string) func(n int) string {
	return func(n int) string {
		return metricPath + "load.counter." + strconv.Itoa((first+n)*loadgen.TypesPeriod()) + rest
	}
}

// API starts a daemon and asks it at a fixed rate, first idle, then beside a load of
// lines from a process of its own. Latency counts from when a request was due, so
// that an answer that comes late makes those behind it late as well.
func API(ctx context.Context, c Child, o APIOptions) (results []Result, err error) {
	if o.Series = max(o.Series, apiLeastSeries); o.Storage != "" {
		c.settings = append(slices.Clone(c.settings), "storage.url="+o.Storage)
	}
	d, err := startDaemon(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("bench api: %w", err)
	}
	defer func() { err = errors.Join(err, d.stop()) }()
	if err := d.prepare(ctx, o.Series); err != nil {
		return nil, fmt.Errorf("bench api: %w", err)
	}
	if results, err = d.asked(ctx, o, "idle"); err != nil {
		return nil, fmt.Errorf("bench api, idle: %w", err)
	}
	beside, err := d.beside(ctx, c, o)
	if err != nil {
		return nil, fmt.Errorf("bench api, beside a load: %w", err)
	}
	return append(results, beside...), nil
}

// prepare gives the daemon its series, one of them with a past, and lets the first
// bucket be stored.
func (d *daemon) prepare(ctx context.Context, series int) error {
	shape := loadgen.Shape{Series: series, Seed: 1}
	length := max(time.Second, time.Duration(apiEach*series)*time.Second/apiPrepareRate)
	if _, _, err := d.feed(ctx, shape, load{at(apiPrepareRate), ingestConnections}, length); err != nil {
		return err
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", d.addr)
	if err != nil {
		return fmt.Errorf("send the past: %w", err)
	}
	var lines strings.Builder
	now := time.Now()
	for at := now.Add(-apiHistory); at.Before(now); at = at.Add(10 * time.Second) {
		fmt.Fprintf(&lines, "%s:1|c|T%d\n", apiSeries, at.Unix())
	}
	_, err = io.WriteString(conn, lines.String())
	if err = errors.Join(err, conn.Close()); err != nil {
		return fmt.Errorf("send the past: %w", err)
	}
	return d.storedSome(ctx, startWait+time.Duration(series)*apiPerSeries)
}

// storedSome waits until the ledger says that something is in the store.
func (d *daemon) storedSome(ctx context.Context, wait time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	for {
		l, err := d.http.Ledger(ctx)
		if err == nil && l.Stored > 0 && l.Pending == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("nothing is stored: %w", errors.Join(err, ctx.Err()))
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// asked asks one kind after the other, each for a while; state is the last part of the
// results' names.
func (d *daemon) asked(ctx context.Context, o APIOptions, state string) (results []Result, err error) {
	for _, a := range o.apiAsks(time.Now(), state) {
		r, err := askAgain(ctx, d.addr, a.path, o.Rate, o.Length)
		if err != nil {
			return nil, err
		}
		r.Name = "api/" + a.name + "/" + state
		results = append(results, r)
	}
	return results, nil
}

// beside asks while a load comes in, and holds the daemon's ledger to what was sent.
func (d *daemon) beside(ctx context.Context, c Child, o APIOptions) ([]Result, error) {
	length := apiWarmUp + time.Duration(len(o.apiAsks(time.Now(), "beside")))*(o.Length+200*time.Millisecond) + time.Second
	cmd := exec.CommandContext(ctx, c.Executable, "loadgen", "--server", d.addr, "--rate", strconv.FormatFloat(o.Lines, 'f', 0, 64),
		"--series", strconv.Itoa(o.Series), "--prerendered", "--connections", strconv.Itoa(ingestConnections), "--duration", length.String(), "--verify", "-o", "json")
	cmd.Env = childEnv(os.Environ())
	var out, said strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the load: %w", err)
	}
	results, err := d.besideRunning(ctx, o)
	if err != nil {
		_ = cmd.Process.Kill()
		return nil, errors.Join(err, cmd.Wait())
	}
	if err := cmd.Wait(); err != nil {
		return nil, fmt.Errorf("the load: %w: %s", err, said.String())
	}
	var run loadgen.Result
	if err := json.Unmarshal([]byte(out.String()), &run); err != nil {
		return nil, fmt.Errorf("the load's result: %w", err)
	}
	for i := range results {
		results[i].BesideLines = run.Rate
	}
	return results, nil
}

func (d *daemon) besideRunning(ctx context.Context, o APIOptions) ([]Result, error) {
	select {
	case <-time.After(apiWarmUp):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	profiled := d.profile(ctx, o)
	results, err := d.asked(ctx, o, "beside")
	return results, errors.Join(err, <-profiled)
}

// profile takes a processor profile of the daemon over the measurement, where one is
// asked for.
func (d *daemon) profile(ctx context.Context, o APIOptions) <-chan error {
	done := make(chan error, 1)
	if o.Profile == "" {
		done <- nil
		return done
	}
	go func() {
		b, err := d.admin(ctx, fmt.Sprintf("/debug/pprof/profile?seconds=%d", max(1, int(float64(len(o.apiAsks(time.Now(), "beside")))*o.Length.Seconds()))))
		if err == nil {
			err = os.WriteFile(o.Profile, b, 0o644)
		}
		if err != nil {
			err = fmt.Errorf("profile: %w", err)
		}
		done <- err
	}()
	return done
}

// The bounds of reads beside a load, milliseconds.
const (
	apiMaxP95  = 1
	apiMaxMore = 1 // of P99 over the idle one
	apiMaxP99  = 5
)

// APIFaults says which of the results that API returned are beyond the bounds: P95
// below 1 ms, P99 at most 1 ms above the idle one, and below 5 ms.
func APIFaults(results []Result) (faults []string) {
	for _, r := range results {
		name, beside := strings.CutSuffix(r.Name, "/beside")
		if !beside || r.LatencyMS == nil {
			continue
		}
		l := *r.LatencyMS
		if l.P95 >= apiMaxP95 {
			faults = append(faults, fmt.Sprintf("%s: P95 is %.2f ms, not below %d", name, l.P95, apiMaxP95))
		}
		if l.P99 >= apiMaxP99 {
			faults = append(faults, fmt.Sprintf("%s: P99 is %.2f ms, not below %d", name, l.P99, apiMaxP99))
		}
		if more, ok := OverIdle(results, r); ok && more > apiMaxMore {
			faults = append(faults, fmt.Sprintf("%s: P99 is %.2f ms above the idle one, not at most %d", name, more, apiMaxMore))
		}
	}
	return faults
}

// OverIdle returns by how many milliseconds the P99 of r, beside a load, is above the
// idle one.
func OverIdle(results []Result, r Result) (ms float64, ok bool) {
	name, beside := strings.CutSuffix(r.Name, "/beside")
	i := slices.IndexFunc(results, func(o Result) bool { return o.Name == name+"/idle" })
	if !beside || i < 0 || r.LatencyMS == nil || results[i].LatencyMS == nil {
		return 0, false
	}
	return r.LatencyMS.P99 - results[i].LatencyMS.P99, true
}

// admin asks the daemon's door for its own user, which profiles come from.
func (d *daemon) admin(ctx context.Context, path string) ([]byte, error) {
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var dialer net.Dialer
		return dialer.DialContext(ctx, "unix", filepath.Join(d.dir, "data", api.AdminSocket))
	}}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://daemon"+path, nil)
	if err != nil {
		return nil, err
	}
	res, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answers %s", path, res.Status)
	}
	return b, err
}
