// Package cursor seals what a list's cursor says, so that a client can carry it
// and neither read a meaning into it nor make one up: HMAC-SHA256 over what the
// cursor is for, when it was made and what it holds. A sealed cursor is good for
// one question, and for a day.
//
// The key is kept in the data directory, so cursors outlive a restart. Whoever
// has the key can make cursors, and reach nothing that a list without one does
// not give.
package cursor

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"time"
)

// Lifetime is how long a cursor is taken.
const Lifetime = 24 * time.Hour

const (
	version   = 1
	head      = 1 + 8 // version, Unix seconds
	macBytes  = 16
	maxSealed = 512 // characters
)

// What is wrong with a cursor.
var (
	ErrForged  = errors.New("is none that a page of this list has given")
	ErrExpired = errors.New("is older than a day")
)

// Sealer seals and opens cursors. It may be used from several goroutines.
type Sealer struct {
	key []byte
	now func() time.Time
}

// New returns a sealer; without a key, one whose cursors end with the process.
func New(key []byte, now func() time.Time) *Sealer {
	if len(key) == 0 {
		key = make([]byte, KeyBytes)
		_, _ = rand.Read(key) // never fails
	}
	return &Sealer{key: key, now: now}
}

// Seal returns a cursor for a question that holds payload.
func (s *Sealer) Seal(question string, payload []byte) string {
	b := binary.BigEndian.AppendUint64([]byte{version}, uint64(s.now().Unix()))
	b = append(b, payload...)
	return base64.RawURLEncoding.EncodeToString(append(b, s.mac(question, b)...))
}

// Open returns what Seal was given. It fails with ErrForged where the cursor is
// not ours, or is another question's, and with ErrExpired.
func (s *Sealer) Open(question, sealed string) ([]byte, error) {
	if len(sealed) > maxSealed {
		return nil, ErrForged
	}
	// One cursor has one spelling: the decoder passes over ends of lines.
	b, err := base64.RawURLEncoding.DecodeString(sealed)
	if err != nil || len(b) < head+macBytes || base64.RawURLEncoding.EncodeToString(b) != sealed {
		return nil, ErrForged
	}
	body, mac := b[:len(b)-macBytes], b[len(b)-macBytes:]
	if !hmac.Equal(mac, s.mac(question, body)) || body[0] != version {
		return nil, ErrForged
	}
	made := time.Unix(int64(binary.BigEndian.Uint64(body[1:head])), 0)
	if s.now().Sub(made) > Lifetime {
		return nil, ErrExpired
	}
	return body[head:], nil
}

// mac covers the question's length too: no question and body read as another's.
func (s *Sealer) mac(question string, body []byte) []byte {
	h := hmac.New(sha256.New, s.key)
	_, _ = h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(question))))
	_, _ = h.Write([]byte(question))
	_, _ = h.Write(body)
	return h.Sum(nil)[:macBytes]
}
