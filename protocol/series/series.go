// Package series names a stream of values: its canonical key, the 128-bit hash
// that the store keeps unique, and the matchers that select it.
//
// Two lines belong to one series when name, type and the set of tags agree;
// the order in which tags were sent never matters.
package series

import (
	"encoding/binary"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/zeebo/xxh3"

	"example.com/nexusctl/protocol"
)

// Tag is one key and value.
type Tag struct{ Key, Value string }

// Key identifies a series. Tags are sorted by key and hold no key twice.
type Key struct {
	Name string
	Type protocol.Type
	Tags []Tag
}

// String renders the key for people: name{key="value",…}.
func (k Key) String() string {
	if len(k.Tags) == 0 {
		return k.Name
	}
	var b strings.Builder
	b.WriteString(k.Name)
	b.WriteByte('{')
	for i, t := range k.Tags {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(t.Key)
		b.WriteByte('=')
		b.WriteString(strconv.Quote(t.Value))
	}
	b.WriteByte('}')
	return b.String()
}

// Tag returns the value of the tag, and whether the series has it.
func (k Key) Tag(key string) (string, bool) {
	for _, t := range k.Tags {
		if t.Key == key {
			return t.Value, true
		}
	}
	return "", false
}

// Append encodes the key: type byte, then name and each tag's key and value,
// every string preceded by its length as a uvarint, tags preceded by their
// number. The bytes are canonical: equal keys, equal bytes. The log, the store
// and every in-memory table identify a series by them.
func (k Key) Append(dst []byte) []byte {
	dst = append(dst, byte(k.Type))
	dst = appendString(dst, k.Name)
	dst = binary.AppendUvarint(dst, uint64(len(k.Tags)))
	for _, t := range k.Tags {
		dst = appendString(dst, t.Key)
		dst = appendString(dst, t.Value)
	}
	return dst
}

// AppendMetric encodes the key of a parsed metric as Append does, without
// allocating once dst has room. It sorts m.Tags in place.
func AppendMetric(dst []byte, m *protocol.Metric) []byte {
	sortTags(m.Tags)
	dst = append(dst, byte(m.Type))
	dst = appendBytes(dst, m.Name)
	dst = binary.AppendUvarint(dst, uint64(len(m.Tags)))
	for _, t := range m.Tags {
		dst = appendBytes(dst, t.Key)
		dst = appendBytes(dst, t.Value)
	}
	return dst
}

// ErrKey reports bytes that Append did not write.
var ErrKey = errors.New("malformed series key")

// Parse decodes what Append wrote.
func Parse(b []byte) (Key, error) { return View(string(b), nil) }

// View is Parse for bytes that never change: the Key's strings are parts of b, and
// its tags are appended to tags[:0], which the caller may use again.
func View(b string, tags []Tag) (Key, error) {
	if len(b) == 0 || b[0] == 0 || int(b[0]) >= protocol.NumTypes {
		return Key{}, ErrKey
	}
	k := Key{Type: protocol.Type(b[0]), Tags: tags[:0]}
	b = b[1:]
	var ok bool
	if k.Name, b, ok = cutString(b); !ok {
		return Key{}, ErrKey
	}
	n, b, ok := cutLength(b)
	if !ok {
		return Key{}, ErrKey
	}
	if cap(k.Tags) < n {
		k.Tags = make([]Tag, 0, n)
	}
	for range n {
		var t Tag
		if t.Key, b, ok = cutString(b); !ok {
			return Key{}, ErrKey
		}
		if t.Value, b, ok = cutString(b); !ok {
			return Key{}, ErrKey
		}
		k.Tags = append(k.Tags, t)
	}
	if len(b) != 0 {
		return Key{}, ErrKey
	}
	return k, nil
}

// Hash is the store's unique handle of a key, XXH3-128 of the canonical bytes.
// It is never trusted alone: the full key is compared too.
type Hash [16]byte

// Sum hashes canonical key bytes.
func Sum(key []byte) Hash { return xxh3.Hash128(key).Bytes() }

func appendString(dst []byte, s string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}

func appendBytes(dst, s []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}

func cutString(b string) (s, rest string, ok bool) {
	n, b, ok := cutLength(b)
	if !ok {
		return "", "", false
	}
	return b[:n], b[n:], true
}

// cutLength reads a length of what b still holds.
func cutLength(b string) (n int, rest string, ok bool) {
	var head [binary.MaxVarintLen64]byte
	u, w := binary.Uvarint(head[:copy(head[:], b)])
	if w <= 0 || u > uint64(len(b)-w) {
		return 0, "", false
	}
	return int(u), b[w:], true
}

// sortTags sorts by key; lines carry few tags, so insertion beats the general
// sort and allocates nothing.
func sortTags(tags []protocol.Tag) {
	if len(tags) > 12 {
		slices.SortFunc(tags, func(a, b protocol.Tag) int { return strings.Compare(string(a.Key), string(b.Key)) })
		return
	}
	for i := 1; i < len(tags); i++ {
		for j := i; j > 0 && string(tags[j].Key) < string(tags[j-1].Key); j-- {
			tags[j], tags[j-1] = tags[j-1], tags[j]
		}
	}
}
