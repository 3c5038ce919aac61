package ingest

import (
	"context"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"testing"

	"example.com/nexusctl/daemon/admit"
	"example.com/nexusctl/daemon/aggregate"
	"example.com/nexusctl/daemon/lane"
	"example.com/nexusctl/daemon/ledger"
	"example.com/nexusctl/daemon/record"
	"example.com/nexusctl/daemon/wal"
	"example.com/nexusctl/protocol"
)

// TestThroughRealLanes sends over a socket into real lanes and a real log: each
// unit is counted once, whatever becomes of it.
func TestThroughRealLanes(t *testing.T) {
	log, err := wal.Open(t.TempDir(), wal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	page, err := ledger.OpenPage(filepath.Join(t.TempDir(), "received"))
	if err != nil {
		t.Fatal(err)
	}
	page.Start(0)
	limits := protocol.DefaultLimits()
	limits.MaxLine = 100
	set := lane.New(lane.Options{
		Lanes: 2, Log: log, Catalog: admit.NewCatalog(100), Page: page, Limits: limits,
		Fold: aggregate.Options{Resolution: 10_000, Schema: 5}, MaxAliases: 100, Logger: slog.New(slog.DiscardHandler),
	}, lane.Start{Mark: record.Mark{Generation: 1}, State: aggregate.NewState()})
	s := New(set, Options{MaxLine: limits.MaxLine, MaxConnections: 10, Logger: slog.New(slog.DiscardHandler)})
	l, err := net.Listen("tcp", loopback)
	if err != nil {
		t.Fatal(err)
	}
	s.Listen(l)
	for _, text := range []string{
		"a:1:2:3|c\nno line\r\n\r\n{\"name\":\"b\",\"value\":1}\nlast:1|g",
		long(5000) + "\na:1|c\n" + long(101) + "\n" + long(100),
		"SSH-2.0-x\r\n",
	} {
		c := dial(t, "tcp", l.Addr().String())
		write(t, c, text)
		_ = c.(*net.TCPConn).CloseWrite()
		_, _ = io.ReadAll(c)
	}
	if err := s.CloseDoors(); err != nil {
		t.Error(err)
	}
	if err := s.Drain(t.Context()); err != nil {
		t.Error(err)
	}
	terms, err := set.Terms(context.Background(), func() {})
	rejected := terms.Counts.Rejected
	if err != nil || terms.Received != 11 || terms.Pending != 7 || rejected[protocol.Syntax] != 1 ||
		rejected[protocol.LineTooLong] != 2 || rejected[protocol.WrongProtocol] != 1 {
		t.Errorf("%+v, %v", terms, err)
	}
	set.Close()
	if err := log.Close(); err != nil {
		t.Error(err)
	}
	if err := page.Close(); err != nil {
		t.Error(err)
	}
}
