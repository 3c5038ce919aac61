package torture

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"example.com/nexusctl/protocol/api"
)

const (
	// startWait bounds a recovery.
	startWait = 90 * time.Second
	// stopWait bounds a stop; the daemon has 30 s of its own.
	stopWait = 45 * time.Second
	// lastWords is how much of a daemon's log a fault shows.
	lastWords = 1500
)

// child is one daemon process. It is signalled through the process's own
// handle, which knows when the process has ended: a number that another
// process has got meanwhile is never signalled.
type child struct {
	cmd  *exec.Cmd
	addr string
	log  string
	done chan struct{} // closed when it has ended
	end  error         // how, once done

	meant atomic.Bool // somebody here ends it
	lost  func(error) // told where nobody did
}

// launch says how a daemon is started.
type launch struct {
	executable string
	addr       string
	dataDir    string
	dir        string // configuration and log
	env        []string
	settings   []string
	lost       func(error)
}

// startChild starts a daemon that no setting of this machine reaches, and does
// not wait for it.
func startChild(l launch) (*child, error) {
	config := filepath.Join(l.dir, "nexus.toml")
	if err := os.WriteFile(config, nil, 0o600); err != nil {
		return nil, fmt.Errorf("daemon's configuration: %w", err)
	}
	c := &child{addr: l.addr, log: filepath.Join(l.dir, "daemon.log"), done: make(chan struct{}), lost: l.lost}
	log, err := os.OpenFile(c.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("daemon's log: %w", err)
	}
	defer log.Close()
	args := []string{"daemon", "--config", config, "--listen", l.addr, "--data-dir", l.dataDir}
	for _, s := range l.settings {
		args = append(args, "--set", s)
	}
	c.cmd = exec.Command(l.executable, args...)
	c.cmd.Env = append(childEnv(os.Environ()), l.env...)
	c.cmd.Stdout, c.cmd.Stderr = log, log
	c.cmd.SysProcAttr = childAttributes()
	started := make(chan error, 1)
	go c.run(started)
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start the daemon: %w", err)
	}
	return c, nil
}

// run keeps its thread for as long as the process lives: a child that is to
// end with its parent ends with the thread that started it.
func (c *child) run(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := c.cmd.Start()
	started <- err
	if err == nil {
		c.end = c.cmd.Wait()
	}
	close(c.done)
	if err == nil && !c.meant.Load() {
		c.lost(c.alive())
	}
}

// childEnv leaves out what would configure a daemon.
func childEnv(env []string) (kept []string) {
	for _, e := range env {
		name, _, _ := strings.Cut(e, "=")
		if !strings.HasPrefix(name, "NEXUS_") && name != "PORT" && !strings.HasPrefix(name, "DATABASE_") {
			kept = append(kept, e)
		}
	}
	return kept
}

func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("free port: %w", err)
	}
	return l.Addr().String(), l.Close()
}

// ready waits until the daemon can take and keep data.
func (c *child) ready(ctx context.Context) error {
	for began := time.Now(); !c.answers(ctx); {
		select {
		case <-c.done:
			return c.alive()
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
		if time.Since(began) > startWait {
			return broken("the daemon is not ready after %s: %s", startWait, c.said())
		}
	}
	return nil
}

func (c *child) answers(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+c.addr+api.Ready, nil)
	if err != nil {
		return false
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	_ = res.Body.Close()
	return res.StatusCode == http.StatusOK
}

// said returns the end of the daemon's log.
func (c *child) said() string {
	b, err := os.ReadFile(c.log)
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(b[max(0, len(b)-lastWords):]))
}

// alive reports a daemon that has ended by itself.
func (c *child) alive() error {
	select {
	case <-c.done:
		return broken("the daemon ended by itself: %v: %s", c.end, c.said())
	default:
		return nil
	}
}

// kill ends it as kill -9 does. One that has ended already is reported: nobody
// else was to end it.
func (c *child) kill() error {
	if err := c.alive(); err != nil {
		return err
	}
	c.put()
	return nil
}

// put ends it, whatever its state.
func (c *child) put() {
	c.meant.Store(true)
	_ = c.cmd.Process.Signal(syscall.SIGKILL)
	<-c.done
}

// stop ends it as an operator does; it must exit 0.
func (c *child) stop() error {
	return errors.Join(c.term(), c.ended())
}

// term asks it to end.
func (c *child) term() error {
	if err := c.alive(); err != nil {
		return err
	}
	c.meant.Store(true)
	return c.signal(syscall.SIGTERM)
}

// ended waits until it has.
func (c *child) ended() error {
	select {
	case <-c.done:
	case <-time.After(stopWait):
		c.put()
		return broken("the daemon did not stop within %s: %s", stopWait, c.said())
	}
	if c.end != nil {
		return broken("the daemon stopped with %v: %s", c.end, c.said())
	}
	return nil
}

func (c *child) signal(s syscall.Signal) error {
	if err := c.alive(); err != nil {
		return err
	}
	if err := c.cmd.Process.Signal(s); err != nil {
		return fmt.Errorf("signal %s: %w", s, err)
	}
	return nil
}
