package ledger_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"example.com/nexusctl/daemon/ledger"
)

// TestAudit injects a breach: it is counted and told at every audit until the
// law holds again, and an audit without an answer changes nothing.
func TestAudit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type reading struct {
			ledger.Statement
			err error
		}
		var now atomic.Pointer[reading]
		var said bytes.Buffer
		a := &ledger.Auditor{
			Read:   func(context.Context) (ledger.Statement, error) { r := now.Load(); return r.Statement, r.err },
			Logger: slog.New(slog.NewTextHandler(&said, nil)),
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*ledger.AuditEvery+ledger.AuditEvery/2)
		defer cancel()
		ended := make(chan struct{})
		go func() { defer close(ended); a.Run(ctx) }()
		type want struct {
			breaches   uint64
			difference int64
		}
		audit := func(what string, next ledger.Statement, err error, w want) {
			t.Helper()
			now.Store(&reading{next, err})
			time.Sleep(ledger.AuditEvery)
			synctest.Wait()
			if a.Breaches() != w.breaches || a.Difference() != w.difference {
				t.Errorf("%s: %d breaches, difference %d, want %+v", what, a.Breaches(), a.Difference(), w)
			}
		}
		held := ledger.Statement{Received: 10, Stored: 4, Pending: 1, Dead: 2, Lost: 1, Shed: map[string]uint64{"dropped": 2}}
		broken := held
		broken.Dead = 1
		audit("the law holds", held, nil, want{0, 0})
		audit("a unit is missing", broken, nil, want{1, 1})
		audit("no answer", held, errors.New("busy"), want{1, 1})
		broken.Dead = 3
		audit("a unit too many", broken, nil, want{2, -1})
		audit("it holds again", held, nil, want{2, 0})
		cancel()
		<-ended
		if n := strings.Count(said.String(), "level=ERROR"); n != 2 || strings.Count(said.String(), "holds again") != 1 {
			t.Errorf("it said:\n%s", said.String())
		}
	})
}
