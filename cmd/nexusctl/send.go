package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"time"

	"github.com/google/uuid"
	"github.com/urfave/cli/v2"

	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/client"
)

func sendCommand() *cli.Command {
	return &cli.Command{
		Name:      "send",
		Usage:     "send metric lines to a daemon",
		ArgsUsage: "[LINE …]",
		Description: `Sends the lines given, or those on standard input, over TCP. Each is checked
first; a malformed one is named, not sent, and makes the exit code 1. With --ack
the command ends when the daemon has acknowledged every line as durable, over
reconnects and restarts of the daemon; each counts once.

Examples:
   nexusctl send 'deploys:1|c|#env:prod'
   nexusctl send 'queue.depth:12|g' 'request.time:3.4|ms'
   nexusctl send '{"name":"temperature","value":21.5}'
   cat metrics.txt | nexusctl send
   cat metrics.txt | nexusctl send --ack --producer nightly-import`,
		Flags: []cli.Flag{
			serverFlag(),
			&cli.BoolFlag{Name: "raw", Usage: "send the lines as they are, unchecked"},
			&cli.BoolFlag{Name: "ack", Usage: "wait until every line is durable"},
			&cli.StringFlag{Name: "producer", Usage: "with --ack: the `NAME` to send under (default: one of its own)"},
			&cli.Uint64Flag{Name: "epoch", Usage: "with --ack: shut out every older epoch of the name (default: the time)"},
			&cli.BoolFlag{Name: "compress", Usage: "with --ack: send batches as zstd, to a daemon that takes them"},
			&cli.DurationFlag{Name: "give-up", Usage: "with --ack: fail after this time without the daemon", Value: time.Minute},
		},
		Action: send,
	}
}

func send(c *cli.Context) error {
	h, err := dialServer(c)
	if err != nil {
		return err
	}
	ctx, stop := interruptible(c.Context)
	defer stop()
	conn, err := openLines(ctx, c, h.Addr())
	if err != nil {
		return err
	}
	s := sending{conn: conn, report: c.App.ErrWriter, raw: c.Bool("raw"), parser: protocol.NewParser(protocol.DefaultLimits())}
	s.parser.Now = time.Now().UnixMilli()
	if c.NArg() > 0 {
		for _, line := range c.Args().Slice() {
			s.line([]byte(line))
		}
	} else {
		s.read(c.App.Reader)
	}
	if err := s.finish(); err != nil {
		return err
	}
	if acked, ok := conn.(*ackedLines); ok {
		return acked.report(c.App.Writer, s.refused)
	}
	if _, err := fmt.Fprintf(c.App.Writer, "sent %d lines, %d values\n", s.lines, s.values); err != nil {
		return err
	}
	if s.refused > 0 {
		return fmt.Errorf("%d lines were malformed and not sent", s.refused)
	}
	return nil
}

// openLines connects as the flags ask.
func openLines(ctx context.Context, c *cli.Context, addr string) (io.WriteCloser, error) {
	if !c.Bool("ack") {
		return client.Dial(ctx, addr)
	}
	o := client.SessionOptions{Addr: addr, Producer: c.String("producer"), Epoch: c.Uint64("epoch"), GiveUp: c.Duration("give-up"), Compress: c.Bool("compress")}
	if o.Producer == "" {
		o.Producer = "send-" + uuid.NewString()
	}
	if o.Epoch == 0 {
		o.Epoch = uint64(time.Now().UnixMilli())
	}
	s, err := client.OpenSession(ctx, o)
	if err != nil {
		return nil, err
	}
	return &ackedLines{ctx: ctx, session: s}, nil
}

// ackedLines is a session as a stream: each write is a batch.
type ackedLines struct {
	ctx     context.Context
	session *client.Session
}

func (a *ackedLines) Write(lines []byte) (int, error) {
	if err := a.session.Send(a.ctx, lines); err != nil {
		return 0, fmt.Errorf("send a batch: %w", err)
	}
	return len(lines), nil
}

// Close waits until everything is durable.
func (a *ackedLines) Close() error { return a.session.Close(a.ctx) }

// report says what the daemon has acknowledged.
func (a *ackedLines) report(w io.Writer, refused int) error {
	st := a.session.Stats()
	if _, err := fmt.Fprintf(w, "acknowledged %d batches: %d values accepted, %d lines rejected\n", st.Acked, st.Accepted, st.Rejected); err != nil {
		return err
	}
	if n := uint64(refused) + st.Rejected; n > 0 {
		return fmt.Errorf("%d lines were malformed", n)
	}
	return nil
}

// sending checks and sends lines, and keeps the first error.
type sending struct {
	conn                   io.WriteCloser
	report                 io.Writer
	raw                    bool
	parser                 *protocol.Parser
	buf                    []byte
	number                 int
	lines, values, refused int
	err                    error
}

const sendBuffer = 64 << 10

func (s *sending) read(r io.Reader) {
	in := bufio.NewScanner(r)
	in.Buffer(make([]byte, sendBuffer), 1<<20)
	for s.err == nil && in.Scan() {
		s.line(in.Bytes())
	}
	if err := in.Err(); err != nil && s.err == nil {
		s.err = fmt.Errorf("read standard input: %w", err)
	}
}

func (s *sending) line(line []byte) {
	s.number++
	if s.err != nil || len(bytes.TrimSpace(line)) == 0 {
		return
	}
	if !s.raw {
		m, fault := s.parser.Line(line)
		if fault.Reason != protocol.Accepted {
			s.refused++
			_, _ = fmt.Fprintf(s.report, "nexusctl: line %d: %s: %s\n", s.number, fault.Reason, fault.Detail())
			return
		}
		s.values += m.Count()
	} else {
		s.values++
	}
	s.lines++
	s.buf = append(append(s.buf, line...), '\n')
	if len(s.buf) >= sendBuffer {
		s.flush()
	}
}

func (s *sending) flush() {
	if len(s.buf) > 0 && s.err == nil {
		_, s.err = s.conn.Write(s.buf)
	}
	s.buf = s.buf[:0]
}

func (s *sending) finish() error {
	s.flush()
	if err := s.conn.Close(); s.err == nil {
		s.err = err
	}
	return s.err
}
