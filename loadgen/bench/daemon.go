package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"example.com/nexusctl/protocol/api"
	"example.com/nexusctl/protocol/client"
)

const (
	startWait = 20 * time.Second
	stopWait  = 30 * time.Second
)

// daemon is a child process.
type daemon struct {
	cmd  *exec.Cmd
	dir  string
	addr string
	http *client.HTTP
	done chan struct{} // closed when it has ended
	end  error         // how, once done
}

// startDaemon starts a daemon that no setting of this machine reaches, and
// waits until it is ready.
func startDaemon(ctx context.Context, c Child) (*daemon, error) {
	dir, err := os.MkdirTemp(c.Dir, "nexusctl-bench-")
	if err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	d := &daemon{dir: dir, done: make(chan struct{})}
	if err := d.launch(c); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if err := d.ready(ctx); err != nil {
		return nil, errors.Join(err, d.stop())
	}
	return d, nil
}

func (d *daemon) launch(c Child) (err error) {
	if d.addr, err = freeAddr(); err != nil {
		return err
	}
	if d.http, err = client.NewHTTP(d.addr); err != nil {
		return err
	}
	config := filepath.Join(d.dir, "bench.toml")
	if err := os.WriteFile(config, nil, 0o600); err != nil {
		return fmt.Errorf("daemon's configuration: %w", err)
	}
	args := []string{"daemon", "--config", config, "--listen", d.addr, "--data-dir", filepath.Join(d.dir, "data")}
	for _, s := range c.settings {
		args = append(args, "--set", s)
	}
	return d.spawn(c.Executable, args...)
}

// spawn starts the process itself, with its output in a file.
func (d *daemon) spawn(executable string, args ...string) error {
	log, err := os.Create(filepath.Join(d.dir, "daemon.log"))
	if err != nil {
		return fmt.Errorf("daemon's log: %w", err)
	}
	defer log.Close()
	d.cmd = exec.Command(executable, args...)
	d.cmd.Env = childEnv(os.Environ())
	d.cmd.Stdout, d.cmd.Stderr = log, log
	// A ctrl-C is for us to pass on, once the daemon is no longer needed.
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := d.cmd.Start(); err != nil {
		return fmt.Errorf("start the daemon: %w", err)
	}
	go func() {
		d.end = d.cmd.Wait()
		close(d.done)
	}()
	return nil
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

func (d *daemon) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startWait)
	defer cancel()
	for {
		if _, err := d.get(ctx, api.Ready); err == nil {
			return nil
		}
		select {
		case <-d.done:
			return fmt.Errorf("the daemon ended at its start: %w: %s", d.end, d.lastWords())
		case <-ctx.Done():
			return fmt.Errorf("the daemon is not ready: %w: %s", ctx.Err(), d.lastWords())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (d *daemon) lastWords() string {
	b, err := os.ReadFile(filepath.Join(d.dir, "daemon.log"))
	if err != nil {
		return err.Error()
	}
	return string(b[max(0, len(b)-1000):])
}

func (d *daemon) get(ctx context.Context, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+d.addr+path, nil)
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(req)
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

// stop ends the daemon as an operator would and removes its data.
func (d *daemon) stop() error {
	var err error
	select {
	case <-d.done:
	default:
		err = d.cmd.Process.Signal(syscall.SIGTERM)
	}
	select {
	case <-d.done:
	case <-time.After(stopWait):
		err = errors.Join(fmt.Errorf("the daemon did not stop within %s", stopWait), d.cmd.Process.Kill())
		<-d.done
	}
	if d.end != nil {
		err = errors.Join(err, fmt.Errorf("the daemon ended with %w: %s", d.end, d.lastWords()))
	}
	http.DefaultClient.CloseIdleConnections()
	return errors.Join(err, os.RemoveAll(d.dir))
}
