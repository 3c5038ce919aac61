//go:build unix

package ledger_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"example.com/nexusctl/daemon/ledger"
)

// bootAt is where the file names the kernel that wrote it; docs/format/log.md
// has the layout.
const bootAt = 8

func openPage(t *testing.T, path string) *ledger.Page {
	t.Helper()
	p, err := ledger.OpenPage(path)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func closePage(t *testing.T, p *ledger.Page) {
	t.Helper()
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}

// expectCarried opens the page, expects what it carried over, and leaves it
// closed.
func expectCarried(t *testing.T, path string, want uint64, trusted bool) {
	t.Helper()
	p := openPage(t, path)
	defer closePage(t, p)
	if n, ok := p.Carried(); n != want || ok != trusted {
		t.Errorf("carried %d, trusted %v; want %d, %v", n, ok, want, trusted)
	}
}

// TestPageCarriesOver counts in every lane, and finds the sum again.
func TestPageCarriesOver(t *testing.T) {
	path := filepath.Join(t.TempDir(), "received")
	p := openPage(t, path)
	if n, trusted := p.Carried(); n != 0 || !trusted {
		t.Errorf("a new page carries %d, trusted %v", n, trusted)
	}
	p.Start(1000)
	want := uint64(1000)
	for lane := range ledger.MaxLanes {
		p.Lane(lane).Add(uint64(lane) + 1)
		want += uint64(lane) + 1
	}
	if n := p.Lane(0).Load(); n != 1001 {
		t.Errorf("lane 0 stands at %d: it carries what was received before", n)
	}
	closePage(t, p)
	expectCarried(t, path, want, true)
	expectCarried(t, path, want, true) // opening alone changes nothing

	p = openPage(t, path)
	p.Start(5)
	p.Lane(63).Add(1)
	closePage(t, p)
	expectCarried(t, path, 6, true) // a start resets every lane
}

// TestPageOutlivesAKill lets another process count and be killed in the
// middle, with nothing closed and nothing synced.
func TestPageOutlivesAKill(t *testing.T) {
	const variable = "NEXUS_TEST_PAGE"
	if path := os.Getenv(variable); path != "" {
		p := openPage(t, path)
		p.Start(40)
		p.Lane(0).Add(1)
		p.Lane(7).Add(1)
		if err := syscall.Kill(os.Getpid(), syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		select {} // the signal is on its way
	}
	path := filepath.Join(t.TempDir(), "received")
	cmd := exec.Command(os.Args[0], "-test.run", "^TestPageOutlivesAKill$")
	cmd.Env = append(os.Environ(), variable+"="+path)
	out, err := cmd.CombinedOutput()
	status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if err == nil || !ok || status.Signal() != syscall.SIGKILL {
		t.Fatalf("the process was not killed: %v\n%s", err, out)
	}
	expectCarried(t, path, 42, true)
}

// TestPageOfAnotherBoot is what a power cut leaves: counters of which nobody
// knows how old they are.
func TestPageOfAnotherBoot(t *testing.T) {
	path := filepath.Join(t.TempDir(), "received")
	p := openPage(t, path)
	p.Start(7)
	closePage(t, p)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(bytes.TrimRight(b[bootAt:bootAt+36], "\x00")) == 0 {
		t.Skip("this system does not tell one boot from the next")
	}
	b[bootAt] ^= 1
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	expectCarried(t, path, 7, false)
	p = openPage(t, path)
	p.Start(9)
	closePage(t, p)
	expectCarried(t, path, 9, true) // this boot's again
}

// TestDamagedPage trusts nothing that it did not write, and goes on.
func TestDamagedPage(t *testing.T) {
	whole := func() []byte {
		path := filepath.Join(t.TempDir(), "received")
		p := openPage(t, path)
		p.Start(7)
		closePage(t, p)
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}()
	for name, c := range map[string]struct {
		b       []byte
		trusted bool
	}{
		"empty":         {nil, true}, // made and never written: nothing was received yet
		"one byte":      {[]byte{1}, false},
		"zeros":         {make([]byte, len(whole)), false},
		"cut":           {whole[:len(whole)-1], false},
		"grown":         {append(bytes.Clone(whole), 0), false},
		"another magic": {append([]byte("XXRECV01"), whole[8:]...), false},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "received")
			if err := os.WriteFile(path, c.b, 0o600); err != nil {
				t.Fatal(err)
			}
			p := openPage(t, path)
			if n, trusted := p.Carried(); n != 0 || trusted != c.trusted {
				t.Errorf("carried %d, trusted %v", n, trusted)
			}
			p.Start(3)
			p.Lane(1).Add(1)
			closePage(t, p)
			expectCarried(t, path, 4, true)
		})
	}
}

// TestLanesCountApart adds from every lane at once.
func TestLanesCountApart(t *testing.T) {
	const each = 1000
	path := filepath.Join(t.TempDir(), "received")
	p := openPage(t, path)
	p.Start(0)
	var wg sync.WaitGroup
	for lane := range ledger.MaxLanes {
		wg.Go(func() {
			for range each {
				p.Lane(lane).Add(1)
			}
		})
	}
	wg.Wait()
	for lane := range ledger.MaxLanes {
		if n := p.Lane(lane).Load(); n != each {
			t.Errorf("lane %d stands at %d", lane, n)
		}
	}
	closePage(t, p)
	expectCarried(t, path, each*ledger.MaxLanes, true)
}

func TestPageThatCannotBe(t *testing.T) {
	for _, path := range []string{t.TempDir(), filepath.Join(t.TempDir(), "no", "such", "directory")} {
		if _, err := ledger.OpenPage(path); err == nil {
			t.Errorf("%s is opened", path)
		}
	}
}

func BenchmarkReceived(b *testing.B) {
	p, err := ledger.OpenPage(filepath.Join(b.TempDir(), "received"))
	if err != nil {
		b.Fatal(err)
	}
	p.Start(0)
	lane := p.Lane(0)
	for b.Loop() {
		lane.Add(1)
	}
	if err := p.Close(); err != nil {
		b.Error(err)
	}
}
