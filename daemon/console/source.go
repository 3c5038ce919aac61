package console

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
)

// source asks the daemon's own API, in the process.
type source struct{ api http.Handler }

// maxAnswer bounds what one answer may hold for a page, in bytes: a table of more
// helps nobody.
const maxAnswer = 16 << 20

var errTooLarge = errors.New("the answer is too large for a page")

// trouble is why a page lacks its figures, for people.
type trouble struct {
	Status       int
	Title        string
	Detail, Next string
}

func (t *trouble) Error() string { return t.Title + ": " + t.Detail }

// get asks a route, its path escaped, and decodes its answer. Who asks is handed on, so that the
// API decides what a page may show. The error is a *trouble.
func (s source) get(r *http.Request, path string, q url.Values, into any) error {
	req, err := http.NewRequestWithContext(r.Context(), http.MethodGet, path+"?"+q.Encode(), nil)
	if err != nil {
		return &trouble{http.StatusBadRequest, "The address makes no sense", err.Error(), "Go back to the overview."}
	}
	for _, h := range []string{"Authorization", "Cookie", "X-Request-Id"} {
		if v := r.Header.Values(h); len(v) > 0 {
			req.Header[h] = v
		}
	}
	req.RemoteAddr, req.Host, req.TLS = r.RemoteAddr, r.Host, r.TLS
	a := answer{header: http.Header{}}
	s.api.ServeHTTP(&a, req)
	switch {
	case a.large:
		return &trouble{http.StatusUnprocessableEntity, "The answer is too large", "It holds more than a page can show.", "Aggregate, as in sum by (tag) (…) or topk(20, …), or choose a longer step."}
	case a.status != http.StatusOK:
		return a.trouble()
	}
	if err := json.Unmarshal(a.body.Bytes(), into); err != nil {
		return &trouble{http.StatusInternalServerError, "The answer cannot be read", fmt.Sprintf("decode %s: %v", path, err), "The daemon's log may say more."}
	}
	return nil
}

// answer keeps what a handler says.
type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
	large  bool
}

func (a *answer) Header() http.Header { return a.header }

func (a *answer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
}

func (a *answer) Write(b []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	if a.body.Len()+len(b) > maxAnswer {
		a.large = true
		return 0, errTooLarge
	}
	return a.body.Write(b)
}

// trouble reads an error of either kind: a problem of RFC 9457, or Prometheus's.
func (a *answer) trouble() *trouble {
	var said struct{ Title, Detail, Fix, Error string }
	_ = json.Unmarshal(a.body.Bytes(), &said) // what cannot be read is named by its status
	t := &trouble{a.status, said.Title, said.Detail, said.Fix}
	if said.Error != "" {
		t.Title, t.Detail, t.Next = "The query was not evaluated", said.Error, nextAfter(a.status)
	}
	if t.Title == "" {
		t.Title = http.StatusText(a.status)
	}
	if t.Next == "" {
		t.Next = nextAfter(a.status)
	}
	return t
}

func nextAfter(status int) string {
	switch status {
	case http.StatusServiceUnavailable:
		return "The page tries again by itself. /ready says what is missing."
	case http.StatusBadRequest:
		return "Mend the expression and run it again."
	case http.StatusUnauthorized, http.StatusForbidden:
		return "Sign in with a user who may read."
	case http.StatusUnprocessableEntity:
		return "Name the metric, add tags, or choose a shorter range."
	}
	return "The daemon's log says more."
}
