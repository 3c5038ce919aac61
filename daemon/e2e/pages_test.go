package e2e_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"testing"
	"time"

	"example.com/nexusctl/protocol/api"
)

// TestPagesOverMany walks the list of series by its cursors while others come and go.
// Each of those that are there from beginning to end comes exactly once, and none
// twice. NEXUS_PAGES=1000000 does it with that many.
func TestPagesOverMany(t *testing.T) {
	many := 5000
	if n, err := strconv.Atoi(os.Getenv("NEXUS_PAGES")); err == nil && n > many {
		many = n
	}
	p := start(t, t.TempDir(), "sqlite:nexus.db")
	p.sendSeries("stays", many)
	p.sendSeries("goes.0", 100)
	if got := p.settled(); got.Received < uint64(many)+100 {
		t.Fatalf("%d units of %d came", got.Received, many+100)
	}
	began := time.Now()
	seen, pages, turns, gone, slowest := map[string]int{}, 0, 0, 0, time.Duration(0)
	for cursor, more := "", true; more; more = cursor != "" {
		asked := time.Now()
		var page api.MetricPage
		p.get("/api/v1/metrics?"+url.Values{"limit": {"1000"}, "cursor": {cursor}}.Encode(), &page)
		slowest = max(slowest, time.Since(asked))
		for _, m := range page.Data {
			seen[fmt.Sprint(m.Name, m.Tags)]++
		}
		cursor = page.NextCursor
		if pages++; pages%max(many/100_000, 1) == 0 {
			gone += p.comeAndGo(turns)
			turns++
		}
	}
	if turns < 3 || gone == 0 {
		t.Fatalf("series came %d times, %d were deleted", turns, gone)
	}
	t.Logf("%d series in %d pages, %v; the slowest page %v", len(seen), pages, time.Since(began).Round(time.Millisecond), slowest.Round(time.Millisecond))
	for key, n := range seen {
		if n != 1 {
			t.Errorf("%s comes %d times", key, n)
		}
	}
	for i := range many {
		if key := fmt.Sprintf("stays.%d", i%100) + fmt.Sprint(map[string]string{"n": strconv.Itoa(i)}); seen[key] == 0 {
			t.Fatalf("%s does not come", key)
		}
	}
}

// comeAndGo adds a hundred series, each of a name of its own, and deletes three of
// those that came a turn before; it returns how many went.
func (p *process) comeAndGo(turn int) (gone int) {
	p.t.Helper()
	p.sendSeries(fmt.Sprintf("goes.%d", turn+1), 100)
	for i := range 3 {
		req, err := http.NewRequestWithContext(p.t.Context(), http.MethodDelete, p.url(fmt.Sprintf("/api/v1/metrics/goes.%d.%d", turn, i)), nil)
		if err != nil {
			p.t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			p.t.Fatal(err)
		}
		_ = res.Body.Close()
		switch res.StatusCode {
		case http.StatusOK, http.StatusNoContent:
			gone++
		case http.StatusNotFound: // its line was not taken yet
		case http.StatusServiceUnavailable: // or not stored in time: a million names take as long on a busy machine
		default:
			p.t.Fatalf("delete: %s", res.Status)
		}
	}
	return gone
}

// sendSeries sends one line of each of n series, over a hundred names.
func (p *process) sendSeries(prefix string, n int) {
	p.t.Helper()
	conn, err := net.Dial("tcp", p.addr)
	if err != nil {
		p.t.Fatal(err)
	}
	defer conn.Close()
	w := bufio.NewWriterSize(conn, 64<<10)
	for i := range n {
		_, _ = w.WriteString(prefix + "." + strconv.Itoa(i%100) + ":1|c|#n:" + strconv.Itoa(i) + "\n")
	}
	if err := w.Flush(); err != nil {
		p.t.Fatal(err)
	}
}
