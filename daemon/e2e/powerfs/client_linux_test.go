package powerfs

import (
	"bufio"
	"database/sql"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	_ "github.com/mattn/go-sqlite3"
)

// clientDir names a directory to this test's own program: it is a client of
// SQLite there then, and runs no test.
//
// SQLite maps a file of the disk. A process must not serve a disk that it maps
// itself: whoever closes the file holds the process's address space until the disk
// has answered, and the goroutine that should answer waits for the address space.
const clientDir = "POWERFS_CLIENT_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(clientDir); dir != "" {
		if err := beClient(dir, os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// beClient runs the statements that it reads, a line each, and answers each with a
// line: a number, or what went wrong. It ends where they end.
func beClient(dir string, in io.Reader, out io.Writer) error {
	db, err := sql.Open("sqlite3", "file:"+filepath.Join(dir, "x.db")+"?_journal_mode=WAL&_synchronous=FULL")
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }() // the disk may be off
	db.SetMaxOpenConns(2)
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		answer := "0"
		n := 0
		if query := lines.Text(); !strings.HasPrefix(query, "SELECT") {
			_, err = db.Exec(query)
		} else if err = db.QueryRow(query).Scan(&n); err == nil {
			answer = fmt.Sprint(n)
		}
		if err != nil {
			answer = err.Error()
		}
		if _, err := fmt.Fprintln(out, answer); err != nil {
			return err
		}
	}
	return lines.Err()
}

// client is such a process.
type client struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func newClient(t *testing.T, dir string) *client {
	t.Helper()
	self, err := os.Executable()
	must(t, err)
	c := &client{cmd: exec.CommandContext(t.Context(), self)}
	c.cmd.Env = append(os.Environ(), clientDir+"="+dir)
	c.cmd.Stderr = os.Stderr
	c.in, err = c.cmd.StdinPipe()
	must(t, err)
	out, err := c.cmd.StdoutPipe()
	must(t, err)
	c.out = bufio.NewReader(out)
	must(t, c.cmd.Start())
	return c
}

// run runs one statement and returns the number it answers.
func (c *client) run(query string) (n int, err error) {
	if _, err := fmt.Fprintln(c.in, query); err != nil {
		return 0, err
	}
	line, err := c.out.ReadString('\n')
	if err != nil {
		return 0, err
	}
	if _, err := fmt.Sscanf(line, "%d\n", &n); err != nil {
		return 0, fmt.Errorf("%s: %s", query, strings.TrimSpace(line))
	}
	return n, nil
}

// close has the client close its database and end.
func (c *client) close() error {
	_ = c.in.Close()
	return c.cmd.Wait()
}
