package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime"
	"syscall"
	"time"

	"example.com/nexusctl/daemon/admit"
	"example.com/nexusctl/daemon/api"
	"example.com/nexusctl/daemon/config"
	"example.com/nexusctl/daemon/cursor"
	"example.com/nexusctl/daemon/event"
	"example.com/nexusctl/daemon/fairqueue"
	"example.com/nexusctl/daemon/gateway"
	"example.com/nexusctl/daemon/ingest"
	"example.com/nexusctl/daemon/pace"
)

// openDoors listens, last of all: nothing is accepted before it can be kept.
func (d *Daemon) openDoors() error {
	c := d.config
	proxies, err := c.Server.ProxyNetworks()
	if err != nil {
		return errors.Join(err, d.Stop(context.Background()))
	}
	d.doors = ingest.New(d.lanes, ingest.Options{
		MaxPerAddress: c.Server.MaxPerAddress, Patience: patience(&c.Ingest), ProxyFrom: proxies,
		Receive: ingest.ReceiveBuffers{Each: int(c.Ingest.ReceiveBuffer), All: ingest.AllReceive()},
		MaxLine: int(c.Ingest.MaxLine), MaxConnections: c.Server.MaxConnections, Logger: d.component("ingest"),
		Log: d.log, Pressure: d.pressure, Known: d.deliveries.Known,
		Taken: func(took time.Duration) { d.ingested.Took(d.now(), took) },
	})
	if d.api, err = d.routes(); err != nil {
		return errors.Join(err, d.Stop(context.Background()))
	}
	d.http = d.httpServer()
	d.startBeat()
	d.openAdmin() // before who asks for readiness is answered: a ready daemon has it
	l, err := listenTCP(c.Server.Listen, int(c.Ingest.ReceiveBuffer))
	if err != nil {
		return errors.Join(&ListenError{Key: "server.listen", Addr: c.Server.Listen, Err: err}, d.Stop(context.Background()))
	}
	d.addr = l.Addr()
	d.doors.Listen(l)
	d.background.Go(func() {
		if err := d.http.Serve(d.doors.HTTP()); !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
			d.fail(fmt.Errorf("serve HTTP: %w", err))
		}
	})
	if err := d.openFurtherDoors(); err != nil {
		return errors.Join(err, d.Stop(context.Background()))
	}
	d.logger.Info("listening", "addr", d.addr.String(), "data_dir", c.Server.DataDir, "store", d.store.Backend(), "lanes", d.lanes.Lanes())
	return nil
}

func (d *Daemon) openFurtherDoors() error {
	c := d.config.Ingest
	if c.Unix != "" {
		l, err := listenUnix(c.Unix)
		if err != nil {
			return &ListenError{Key: "ingest.unix", Addr: c.Unix, Err: err}
		}
		d.doors.Listen(l)
	}
	if c.Unixgram != "" {
		pc, err := listenUnixgram(c.Unixgram)
		if err != nil {
			return &ListenError{Key: "ingest.unixgram", Addr: c.Unixgram, Err: err}
		}
		d.doors.ListenPackets(pc)
	}
	if c.UDP != "" {
		pc, err := net.ListenPacket("udp", c.UDP)
		if err != nil {
			return &ListenError{Key: "ingest.udp", Addr: c.UDP, Err: err}
		}
		d.doors.ListenPackets(pc)
	}
	return nil
}

// patience returns what peers are held to.
func patience(c *config.Ingest) ingest.Patience {
	return ingest.Patience{
		FirstByte: time.Duration(c.FirstByteTimeout), Grace: time.Duration(c.LineTimeout), MinRate: int64(c.MinRate), MaxSkip: int64(c.MaxSkip),
	}
}

// httpPatience is the same of HTTP's bodies and answers.
func httpPatience(c *config.Ingest) api.Patience {
	return api.Patience{Grace: time.Duration(c.LineTimeout), MinRate: int64(c.MinRate)}
}

// budgets returns how many series are admitted.
func budgets(c *config.Ingest) admit.Budgets {
	return admit.Budgets{Series: c.MaxSeries, NameSeries: c.MaxNameSeries, TagValues: c.MaxTagValues}
}

// listenTCP listens for connections that take over what is said of the receive
// buffer; 0 leaves it to the system. Each gets its own keepalive from the doors.
func listenTCP(addr string, receive int) (net.Listener, error) {
	l := net.ListenConfig{KeepAlive: -1}
	if receive > 0 {
		l.Control = func(_, _ string, c syscall.RawConn) error { return receiveBuffer(c, receive) }
	}
	return l.Listen(context.Background(), "tcp", addr)
}

// receiveBuffer bounds what the system holds of a connection before it is read.
func receiveBuffer(c syscall.RawConn, size int) (err error) {
	if failed := c.Control(func(fd uintptr) {
		err = os.NewSyscallError("set the receive buffer", syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, size))
	}); failed != nil {
		return failed
	}
	return err
}

// ListenError reports an address that could not be listened on.
type ListenError struct {
	Key, Addr string
	Err       error
}

func (e *ListenError) Error() string {
	return fmt.Sprintf("%s: cannot listen on %s: %v; free the address or choose another", e.Key, e.Addr, e.Err)
}
func (e *ListenError) Unwrap() error { return e.Err }

// listenUnix replaces a socket file that a killed daemon left behind, and
// nothing else.
func listenUnix(path string) (net.Listener, error) {
	if err := removeSocket(path); err != nil {
		return nil, err
	}
	return net.Listen("unix", path)
}

func listenUnixgram(path string) (net.PacketConn, error) {
	if err := removeSocket(path); err != nil {
		return nil, err
	}
	return net.ListenPacket("unixgram", path)
}

func removeSocket(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode()&os.ModeSocket == 0 {
		return errors.New("the path exists and is no socket")
	}
	return os.Remove(path)
}

// httpServer has limits on everything a client could stretch. Bodies and answers
// are held to the API's own patience, which replaces the two long timeouts here.
func (d *Daemon) httpServer() *http.Server {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	stall := 10 * time.Second
	if grace := time.Duration(d.config.Ingest.LineTimeout); grace > 0 {
		stall = min(stall, grace)
	}
	return &http.Server{
		Handler:           d.tracer.Handler(d.api),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       2 * time.Minute,
		WriteTimeout:      2 * time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		Protocols:         &protocols,
		ConnState:         ingest.HTTPState,
		ErrorLog:          slog.NewLogLogger(d.component("api").Handler(), slog.LevelDebug), // what clients do wrong
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: 100, WriteByteTimeout: stall, SendPingTimeout: 30 * time.Second, PingTimeout: 15 * time.Second, CountError: d.h2.count},
	}
}

// heldAnswers is how much memory answers on their way may take before no more are
// made, in bytes.
const heldAnswers = 256 << 20

func (d *Daemon) routes() (*api.Server, error) {
	key, err := cursor.LoadKey(d.config.Server.DataDir)
	if err != nil {
		return nil, err
	}
	d.turns = fairqueue.New(fairqueue.Limits{
		Running: d.config.Questions(), Waiting: d.config.Query.MaxWaiting, Held: heldAnswers, Wait: time.Duration(d.config.Query.Timeout),
	})
	d.pace = pace.New(runtime.GOMAXPROCS(0) / 2)
	d.gateway = gateway.New(gateway.Options{
		Lanes: d.lanes, Durable: d.log.WaitSynced, MaxBody: int64(d.config.Ingest.MaxBody), Logger: d.component("gateway"), Now: d.now,
	})
	hosts, err := d.config.Server.HostNames()
	if err != nil {
		return nil, err
	}
	return api.New(api.Options{
		Lanes: d.lanes, Reader: d.reader, Engine: d.engine, Ledger: d.Ledger, Ready: d.Ready, Fleet: d.roleAndSilent, About: d.about,
		Overview: d.Overview, Objectives: d.objectives, Events: event.NewReader(d.lanes, d.store, d.log.ID()), Cardinality: d.catalog.Cardinality, Stream: d.stream, Durable: d.log.WaitSynced, Observe: d.requests.Observe,
		Metrics: d.telemetry(), Logger: d.component("api"), Version: d.version, MaxBody: int64(d.config.Ingest.MaxBody),
		Limits: limits(&d.config), Now: d.now, Gateway: d.gateway, Pressure: d.pressure, Editor: d, CursorKey: key, Hosts: hosts, Turns: d.turns, Pace: d.pace, Patience: httpPatience(&d.config.Ingest),
	}), nil
}
