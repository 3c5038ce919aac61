package gateway

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"os"
	"strconv"

	"github.com/klauspost/compress/snappy"
)

// expansion bounds what a compressed body may come to, as a multiple of the
// largest body that is taken uncompressed.
const expansion = 4

var (
	errTooLarge = errors.New("the body is larger than ingest.max_body permits")
	errEncoding = errors.New("the body's Content-Encoding is not one this route reads")
)

// read returns a request's body, decompressed as its Content-Encoding says:
// none, gzip, or snappy, in its block form, where that is permitted.
func (g *Gateway) read(w http.ResponseWriter, r *http.Request, allowSnappy bool) ([]byte, error) {
	limit := g.maxBody.Load()
	body := http.MaxBytesReader(w, r.Body, limit)
	encoding := r.Header.Get("Content-Encoding")
	var data []byte
	var err error
	switch {
	case encoding == "" || encoding == "identity":
		data, err = io.ReadAll(body)
	case encoding == "gzip":
		data, err = gunzip(body, expansion*limit)
	case encoding == "snappy" && allowSnappy:
		if data, err = io.ReadAll(body); err == nil {
			data, err = unsnap(data, expansion*limit)
		}
	default:
		return nil, errEncoding
	}
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return nil, errTooLarge
	}
	g.stats.Bytes.Add(uint64(len(data)))
	return data, err
}

func gunzip(body io.Reader, limit int64) ([]byte, error) {
	z, err := gzip.NewReader(body)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(z, limit+1))
	if int64(len(data)) > limit {
		return nil, errTooLarge
	}
	return data, err
}

// unsnap looks at the length that the block claims before it makes room.
func unsnap(data []byte, limit int64) ([]byte, error) {
	n, err := snappy.DecodedLen(data)
	if err != nil {
		return nil, err
	}
	if int64(n) > limit {
		return nil, errTooLarge
	}
	return snappy.Decode(nil, data)
}

// status is what a body that cannot be read is answered with.
func status(err error) int {
	switch {
	case errors.Is(err, errTooLarge):
		return http.StatusRequestEntityTooLarge
	case errors.Is(err, os.ErrDeadlineExceeded):
		return http.StatusRequestTimeout
	case errors.Is(err, errEncoding):
		return http.StatusUnsupportedMediaType
	}
	return http.StatusBadRequest
}

// away tells a client to come again: nothing of the request was kept.
func away(w http.ResponseWriter) {
	w.Header().Set("Retry-After", "1")
}

func plural(n uint64) string {
	if n == 1 {
		return "1 sample"
	}
	return strconv.FormatUint(n, 10) + " samples"
}

// withBody gives a request another body, as one that was decompressed.
func withBody(r *http.Request, data []byte) *http.Request {
	clone := r.Clone(r.Context())
	clone.Body = io.NopCloser(bytes.NewReader(data))
	clone.Header.Del("Content-Encoding")
	return clone
}
