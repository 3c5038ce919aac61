package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"nexusctl": func() { os.Exit(run(context.Background(), os.Args, os.Stdin, os.Stdout, os.Stderr)) },
	})
}

// TestScripts runs the command line as users do: one file a topic.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "script"),
		Setup: func(env *testscript.Env) error {
			env.Setenv("XDG_DATA_HOME", filepath.Join(env.WorkDir, "share"))
			env.Setenv("NEXUS_SERVER", "127.0.0.1:1") // nobody is there until startdaemon
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"startdaemon": startDaemonCmd,
			"stopdaemon":  func(ts *testscript.TestScript, neg bool, _ []string) { endDaemon(ts, neg, syscall.SIGTERM) },
			"killdaemon":  func(ts *testscript.TestScript, neg bool, _ []string) { endDaemon(ts, true, syscall.SIGKILL) },
			"tcp":         tcpCmd,
			"http":        httpCmd,
			"exitcode":    exitCodeCmd,
			"eventually":  eventuallyCmd,
		},
	})
}

// exitCodeCmd runs a command and compares its exit code: exitcode 2 nexusctl …
func exitCodeCmd(ts *testscript.TestScript, _ bool, args []string) {
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	if exit := new(exec.ExitError); asExit(err, &exit) {
		code = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if fmt.Sprint(code) != args[0] {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
}

// eventuallyCmd runs a command until its output matches: eventually 'stored +3' nexusctl …
// What comes in is stored a bucket later, and a busy machine takes its time.
func eventuallyCmd(ts *testscript.TestScript, _ bool, args []string) {
	want, err := regexp.Compile(args[0])
	ts.Check(err)
	for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		if err := ts.Exec(args[1], args[2:]...); err == nil && want.MatchString(ts.ReadFile("stdout")) {
			return
		}
		if time.Now().After(end) {
			ts.Fatalf("%q never came", args[0])
		}
	}
}

func asExit(err error, target **exec.ExitError) bool {
	e, ok := err.(*exec.ExitError)
	if ok {
		*target = e
	}
	return ok
}

// daemons are those that run, by their script's directory.
// Scripts run side by side.
var daemons sync.Map // of *exec.Cmd

// startDaemonCmd starts `nexusctl daemon` on a free port, with $WORK/data, and
// waits until it is ready.
func startDaemonCmd(ts *testscript.TestScript, neg bool, args []string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	addr := l.Addr().String()
	ts.Check(l.Close())
	work := ts.Getenv("WORK")
	cmd := exec.Command("nexusctl", append([]string{"daemon", "--listen", addr, "--data-dir", filepath.Join(work, "data")}, args...)...)
	cmd.Path, err = exec.LookPath("nexusctl")
	ts.Check(err)
	cmd.Env = append(os.Environ(), "PORT=", "DATABASE_URL=")
	log, err := os.OpenFile(filepath.Join(work, "daemon.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	ts.Check(err)
	cmd.Stderr, cmd.Stdout = log, log
	ts.Check(cmd.Start())
	ts.Check(log.Close())
	daemons.Store(work, cmd)
	ts.Defer(func() {
		if daemons.CompareAndDelete(work, cmd) {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	})
	ts.Setenv("NEXUS_SERVER", addr)
	ts.Setenv("ADDR", addr)
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if res, err := http.Get("http://" + addr + "/ready"); err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return
			}
		}
	}
	ts.Fatalf("the daemon is not ready: %s", ts.ReadFile(filepath.Join(work, "daemon.log")))
}

func endDaemon(ts *testscript.TestScript, mayFail bool, sig syscall.Signal) {
	work := ts.Getenv("WORK")
	found, ok := daemons.LoadAndDelete(work)
	if !ok {
		ts.Fatalf("no daemon runs")
	}
	cmd := found.(*exec.Cmd)
	ts.Check(cmd.Process.Signal(sig))
	if err := cmd.Wait(); err != nil && !mayFail {
		ts.Fatalf("the daemon ended with %v: %s", err, ts.ReadFile(filepath.Join(work, "daemon.log")))
	}
}

// tcpCmd sends each argument as one write, with \n and \r unescaped, closes
// its side and reads what comes back.
func tcpCmd(ts *testscript.TestScript, _ bool, args []string) {
	c, err := net.Dial("tcp", ts.Getenv("ADDR"))
	ts.Check(err)
	defer c.Close()
	unescape := strings.NewReplacer(`\n`, "\n", `\r`, "\r", `\0`, "\x00")
	for i, text := range args {
		if i > 0 {
			time.Sleep(50 * time.Millisecond)
		}
		_, err := io.WriteString(c, unescape.Replace(text))
		ts.Check(err)
	}
	ts.Check(c.(*net.TCPConn).CloseWrite())
	reply, err := io.ReadAll(c)
	ts.Check(err)
	_, err = ts.Stdout().Write(reply)
	ts.Check(err)
}

// httpCmd: http METHOD PATH [BODY [CONTENT-TYPE]] prints status and body.
func httpCmd(ts *testscript.TestScript, _ bool, args []string) {
	body, kind := "", "application/json"
	if len(args) > 2 {
		body = args[2]
	}
	if len(args) > 3 {
		kind = args[3]
	}
	u := url.URL{Scheme: "http", Host: ts.Getenv("ADDR")}
	req, err := http.NewRequest(args[0], u.String()+args[1], strings.NewReader(body))
	ts.Check(err)
	req.Header.Set("Content-Type", kind)
	res, err := http.DefaultClient.Do(req)
	ts.Check(err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	ts.Check(err)
	_, err = fmt.Fprintf(ts.Stdout(), "%s\n%s", res.Status, b)
	ts.Check(err)
}
