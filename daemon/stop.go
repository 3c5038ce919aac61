package daemon

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Stop takes what was still sent, stores it and closes everything, a log line
// a stage. It ends when ctx does; what is not stored by then stays in the log
// and is stored at the next start.
func (d *Daemon) Stop(ctx context.Context) error {
	var errs []error
	stage := func(name string, f func() error) {
		began := time.Now()
		err := f()
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
			d.logger.Error("stopping", "stage", name, "error", err)
			return
		}
		d.logger.Info("stopping", "stage", name, "took", time.Since(began).Round(time.Millisecond))
	}
	stage("stop accepting", d.doors.CloseDoors)
	d.stream.Close() // streams last until they are ended
	stage("drain requests", func() error { return d.http.Shutdown(ctx) })
	stage("drain connections", func() error { return d.doors.Drain(ctx) })
	d.stopBeat() // its signals belong before the last mark
	stage("close the last generation", d.lanes.Mark)
	stage("flush", func() error { return d.waitFlushed(ctx) })
	d.cancel()
	d.lanes.Close()
	d.background.Wait()
	stage("leave the store", func() error { return d.leave(ctx) })
	stage("checkpoint", d.lastCheckpoint)
	stage("close", func() error { return d.closers.close(d.logger) })
	return errors.Join(errs...)
}

// waitFlushed waits until the collector is empty.
func (d *Daemon) waitFlushed(ctx context.Context) error {
	for !d.lanes.Collector().Empty() {
		select {
		case <-ctx.Done():
			waiting, _ := d.lanes.Collector().Backlog()
			return fmt.Errorf("%d generations are not in the store yet; they are in the log and are stored at the next start", waiting)
		case <-time.After(5 * time.Millisecond):
		}
	}
	return nil
}

// lastCheckpoint spares the next start the reading of the log. It is only true
// where everything is stored.
func (d *Daemon) lastCheckpoint() error {
	if !d.lanes.Collector().Empty() {
		return nil
	}
	return d.loop.LastCheckpoint()
}
