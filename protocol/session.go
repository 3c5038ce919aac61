package protocol

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
)

// Lines of an acked session. A client opens with HELLO and gets OK; it sends
// BATCH, a payload of lines behind it, and gets ACK once the payload is
// durable. ERR ends the session, but for ErrRetry. docs/protocol.md tells what
// each side may count on.

// SessionStart begins the first line of a session, and tells a connection that
// speaks one from others.
const SessionStart = "HELLO nexus/"

// SessionVersion is the one version there is.
const SessionVersion = 1

// MaxSessionLine bounds a line of the session itself, in bytes.
const MaxSessionLine = 1 << 10

// SessionError is a code by which a server ends a session.
type SessionError string

// The codes.
const (
	ErrGap     SessionError = "gap"     // a batch is missing before this one
	ErrFenced  SessionError = "fenced"  // a newer epoch, or a newer connection, has taken over
	ErrMoved   SessionError = "moved"   // another log holds the producer's history
	ErrExpired SessionError = "expired" // the history was forgotten
	ErrAuth    SessionError = "auth"
	ErrCRC     SessionError = "crc"   // the payload is not what was sent
	ErrRetry   SessionError = "retry" // not now; the session goes on
	ErrQuota   SessionError = "quota" // too many producers, or too large a batch
	ErrSyntax  SessionError = "syntax"
)

var sessionErrors = []SessionError{ErrGap, ErrFenced, ErrMoved, ErrExpired, ErrAuth, ErrCRC, ErrRetry, ErrQuota, ErrSyntax}

// ErrSession reports a line that is none of a session's.
var ErrSession = errors.New("malformed session line")

// Hello opens a session for a producer. A newer epoch fences all older ones;
// Writer, where set, is the log that the producer's history is in.
type Hello struct {
	Producer string
	Epoch    uint64
	Writer   string
	Token    string
	Caps     []string
}

// OK answers Hello: the log's name, the last batch it has, and how many
// batches may be in flight.
type OK struct {
	Writer string
	Last   uint64
	Window int
	Caps   []string
	// Accepted and Rejected are the producer's units over all its batches, so
	// that a client whose last ACK was lost can still count.
	Accepted, Rejected uint64
}

// Zstd is the capability, and the encoding, of batches that are compressed.
const Zstd = "zstd"

// BatchHead precedes a payload of Bytes bytes with the CRC32C, both as it is on
// the wire. Encoding is empty, or one that both sides have as a capability.
type BatchHead struct {
	Seq      uint64
	Bytes    int
	CRC      uint32
	Encoding string
}

// Ack says that everything up to batch Seq is durable. Accepted and Rejected
// are units since the Ack before.
type Ack struct {
	Seq                uint64
	Accepted, Rejected uint64
}

// Refusal is an ERR line. Expected is for ErrGap, After for ErrRetry, in
// milliseconds.
type Refusal struct {
	Code     SessionError
	Expected uint64
	After    uint64
}

func (r Refusal) Error() string {
	switch r.Code {
	case ErrGap:
		return fmt.Sprintf("the daemon misses batches: it expects %d", r.Expected)
	case ErrFenced:
		return "a newer session of the same producer has taken over"
	case ErrMoved:
		return "another daemon answers than the one that has this producer's history"
	case ErrExpired:
		return "the daemon has forgotten this producer, which was silent for too long"
	case ErrAuth:
		return "the daemon does not accept the token"
	case ErrCRC:
		return "a batch arrived damaged"
	case ErrRetry:
		return fmt.Sprintf("the daemon asks to try again in %d ms", r.After)
	case ErrQuota:
		return "the daemon takes no more producers, or no batch as large as this"
	}
	return "the daemon did not understand the session"
}

// castagnoli is the polynomial of every checksum here.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Checksum returns the CRC32C of a payload.
func Checksum(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

// AppendHello renders the line, its newline included.
func AppendHello(dst []byte, h Hello) []byte {
	dst = fmt.Appendf(dst, "%s%d producer=%s epoch=%d", SessionStart, SessionVersion, h.Producer, h.Epoch)
	for _, f := range []struct{ name, value string }{{"writer", h.Writer}, {"token", h.Token}, {"caps", strings.Join(h.Caps, ",")}} {
		if f.value != "" {
			dst = fmt.Appendf(dst, " %s=%s", f.name, f.value)
		}
	}
	return append(dst, '\n')
}

// ParseHello reads the line without its newline. Unknown fields are left to
// later versions and skipped.
func ParseHello(line []byte) (Hello, error) {
	rest, ok := bytes.CutPrefix(line, []byte(SessionStart))
	words := bytes.Fields(rest)
	if !ok || len(words) == 0 || string(words[0]) != strconv.Itoa(SessionVersion) {
		return Hello{}, fmt.Errorf("%w: write %s%d producer=NAME epoch=N", ErrSession, SessionStart, SessionVersion)
	}
	f, err := sessionFields(words[1:])
	if err != nil {
		return Hello{}, err
	}
	h := Hello{Producer: f["producer"], Writer: f["writer"], Token: f["token"], Caps: list(f["caps"])}
	if !validProducer(h.Producer) {
		return Hello{}, fmt.Errorf("%w: producer must be 1 to %d of A-Z a-z 0-9 _ -", ErrSession, MaxProducer)
	}
	if h.Epoch, err = number(f, "epoch"); err != nil {
		return Hello{}, err
	}
	return h, nil
}

// MaxProducer bounds a producer's name.
const MaxProducer = 64

func validProducer(s string) bool {
	if len(s) == 0 || len(s) > MaxProducer {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' && c != '-' {
			return false
		}
	}
	return true
}

// AppendOK renders the line.
func AppendOK(dst []byte, o OK) []byte {
	dst = fmt.Appendf(dst, "OK writer=%s last=%d window=%d accepted=%d rejected=%d", o.Writer, o.Last, o.Window, o.Accepted, o.Rejected)
	if len(o.Caps) > 0 {
		dst = fmt.Appendf(dst, " caps=%s", strings.Join(o.Caps, ","))
	}
	return append(dst, '\n')
}

// AppendBatchHead renders the line; the payload follows it.
func AppendBatchHead(dst []byte, b BatchHead) []byte {
	dst = append(dst, "BATCH "...)
	dst = strconv.AppendUint(dst, b.Seq, 10)
	dst = append(dst, ' ')
	dst = strconv.AppendInt(dst, int64(b.Bytes), 10)
	dst = fmt.Appendf(dst, " %08x", b.CRC)
	if b.Encoding != "" {
		dst = append(append(dst, ' '), b.Encoding...)
	}
	return append(dst, '\n')
}

// ParseBatchHead reads the line without its newline.
func ParseBatchHead(line []byte) (b BatchHead, err error) {
	words := bytes.Fields(line)
	if len(words) < 4 || len(words) > 5 || string(words[0]) != "BATCH" || len(words[3]) != 8 {
		return b, fmt.Errorf("%w: write BATCH SEQ BYTES CRC32C", ErrSession)
	}
	if len(words) == 5 {
		if b.Encoding = string(words[4]); b.Encoding != Zstd {
			return b, fmt.Errorf("%w: no encoding but %s is known", ErrSession, Zstd)
		}
	}
	if b.Seq, err = decimal(words[1]); err != nil {
		return b, err
	}
	size, err := decimal(words[2])
	if err != nil || size > 1<<30 {
		return b, fmt.Errorf("%w: bytes", ErrSession)
	}
	crc, err := strconv.ParseUint(string(words[3]), 16, 32)
	if err != nil || !bytes.Equal(words[3], bytes.ToLower(words[3])) {
		return b, fmt.Errorf("%w: the CRC is eight lower-case hex digits", ErrSession)
	}
	b.Bytes, b.CRC = int(size), uint32(crc)
	return b, nil
}

// AppendAck renders the line.
func AppendAck(dst []byte, a Ack) []byte {
	return fmt.Appendf(dst, "ACK %d accepted=%d rejected=%d\n", a.Seq, a.Accepted, a.Rejected)
}

// AppendRefusal renders the line.
func AppendRefusal(dst []byte, r Refusal) []byte {
	dst = fmt.Appendf(dst, "ERR %s", r.Code)
	switch r.Code {
	case ErrGap:
		dst = fmt.Appendf(dst, " expected=%d", r.Expected)
	case ErrRetry:
		dst = fmt.Appendf(dst, " after=%d", r.After)
	}
	return append(dst, '\n')
}

// Reply is one line of a server: one of its fields is set.
type Reply struct {
	OK      *OK
	Ack     *Ack
	Refusal *Refusal
}

// ParseReply reads a server's line without its newline.
func ParseReply(line []byte) (Reply, error) {
	words := bytes.Fields(line)
	if len(words) == 0 {
		return Reply{}, ErrSession
	}
	switch string(words[0]) {
	case "OK":
		return parseOK(words[1:])
	case "ACK":
		return parseAck(words[1:])
	case "ERR":
		return parseRefusal(words[1:])
	}
	return Reply{}, fmt.Errorf("%w: %q", ErrSession, line[:min(len(line), 64)])
}

func parseOK(words [][]byte) (Reply, error) {
	f, err := sessionFields(words)
	if err != nil {
		return Reply{}, err
	}
	last, err := number(f, "last")
	if err != nil {
		return Reply{}, err
	}
	window, err := number(f, "window")
	if err != nil || window == 0 || window > 1<<20 || f["writer"] == "" {
		return Reply{}, fmt.Errorf("%w: OK", ErrSession)
	}
	o := OK{Writer: f["writer"], Last: last, Window: int(window), Caps: list(f["caps"])}
	// The totals may be absent: only a client that lost an ACK needs them.
	o.Accepted, _ = number(f, "accepted")
	o.Rejected, _ = number(f, "rejected")
	return Reply{OK: &o}, nil
}

func parseAck(words [][]byte) (Reply, error) {
	if len(words) == 0 {
		return Reply{}, fmt.Errorf("%w: ACK", ErrSession)
	}
	seq, err := decimal(words[0])
	if err != nil {
		return Reply{}, err
	}
	f, err := sessionFields(words[1:])
	if err != nil {
		return Reply{}, err
	}
	a := Ack{Seq: seq}
	if a.Accepted, err = number(f, "accepted"); err != nil {
		return Reply{}, err
	}
	if a.Rejected, err = number(f, "rejected"); err != nil {
		return Reply{}, err
	}
	return Reply{Ack: &a}, nil
}

func parseRefusal(words [][]byte) (Reply, error) {
	if len(words) == 0 {
		return Reply{}, fmt.Errorf("%w: ERR", ErrSession)
	}
	f, err := sessionFields(words[1:])
	if err != nil {
		return Reply{}, err
	}
	r := Refusal{}
	for _, code := range sessionErrors {
		if string(words[0]) == string(code) {
			r.Code = code
		}
	}
	switch r.Code {
	case "":
		return Reply{}, fmt.Errorf("%w: ERR %.32q", ErrSession, words[0])
	case ErrGap:
		r.Expected, err = number(f, "expected")
	case ErrRetry:
		r.After, err = number(f, "after")
	}
	return Reply{Refusal: &r}, err
}

// sessionFields reads name=value words; a name stands once.
func sessionFields(words [][]byte) (map[string]string, error) {
	f := map[string]string{}
	for _, w := range words {
		name, value, ok := bytes.Cut(w, []byte{'='})
		if _, twice := f[string(name)]; !ok || len(name) == 0 || twice {
			return nil, fmt.Errorf("%w: %.32q is no name=value, or stands twice", ErrSession, w)
		}
		f[string(name)] = string(value)
	}
	return f, nil
}

func number(f map[string]string, name string) (uint64, error) {
	n, err := decimal([]byte(f[name]))
	if err != nil {
		return 0, fmt.Errorf("%w: %s must be a decimal number", ErrSession, name)
	}
	return n, nil
}

// decimal reads plain digits.
func decimal(b []byte) (uint64, error) {
	n, err := strconv.ParseUint(string(b), 10, 64)
	if err != nil || b[0] == '+' {
		return 0, fmt.Errorf("%w: %.24q is no decimal number", ErrSession, b)
	}
	return n, nil
}

func list(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, ",")
}
