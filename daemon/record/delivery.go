package record

import "encoding/binary"

// Session says whose batch a record is: the producer's last batch stands in
// the same record as its data, so neither is ever without the other. An empty
// Producer is none.
type Session struct {
	Producer []byte
	Epoch    uint64
	Seq      uint64
}

// Claim is an idempotency key and what it stood for, both as hashes.
type Claim struct{ Hash, Body [16]byte }

// Producer is what the fold knows of a producer.
type Producer struct {
	ID                 string
	Epoch, Seq         uint64
	Accepted, Rejected uint64 // units over all its batches
	Seen               int64  // its last record, Unix milliseconds
}

// Key is what the fold knows of an idempotency key.
type Key struct {
	Claim
	At                 int64 // Unix milliseconds
	Accepted, Rejected uint64
}

func appendDelivery(dst []byte, b *Batch) []byte {
	if s := &b.Session; len(s.Producer) > 0 {
		dst = append(dst, sectionSession)
		dst = appendBytes(dst, s.Producer)
		dst = binary.AppendUvarint(dst, s.Epoch)
		dst = binary.AppendUvarint(dst, s.Seq)
	}
	if b.Claim != (Claim{}) {
		dst = append(dst, sectionClaim)
		dst = append(dst, b.Claim.Hash[:]...)
		dst = append(dst, b.Claim.Body[:]...)
	}
	return dst
}

func appendBytes(dst, b []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(b)))
	return append(dst, b...)
}

func (r *reader) session(s *Session) {
	s.Producer = r.bytes()
	s.Epoch, s.Seq = r.uvarint(), r.uvarint()
	if len(s.Producer) == 0 {
		r.fail()
	}
}

func (r *reader) claim() (c Claim) {
	r.fixed(c.Hash[:])
	r.fixed(c.Body[:])
	return c
}

func (r *reader) fixed(dst []byte) {
	if len(r.b) < len(dst) {
		r.fail()
		return
	}
	r.b = r.b[copy(dst, r.b):]
}

func appendProducers(dst []byte, list []Producer) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(list)))
	for _, p := range list {
		dst = appendBytes(dst, []byte(p.ID))
		for _, n := range []uint64{p.Epoch, p.Seq, p.Accepted, p.Rejected} {
			dst = binary.AppendUvarint(dst, n)
		}
		dst = binary.AppendVarint(dst, p.Seen)
	}
	return dst
}

func (r *reader) producers() (list []Producer) {
	for range r.count() {
		list = append(list, Producer{
			ID: string(r.bytes()), Epoch: r.uvarint(), Seq: r.uvarint(), Accepted: r.uvarint(), Rejected: r.uvarint(), Seen: r.varint(),
		})
	}
	return list
}

func appendKeys(dst []byte, list []Key) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(list)))
	for _, k := range list {
		dst = append(append(dst, k.Hash[:]...), k.Body[:]...)
		dst = binary.AppendVarint(dst, k.At)
		dst = binary.AppendUvarint(dst, k.Accepted)
		dst = binary.AppendUvarint(dst, k.Rejected)
	}
	return dst
}

func (r *reader) keys() (list []Key) {
	for range r.count() {
		list = append(list, Key{Claim: r.claim(), At: r.varint(), Accepted: r.uvarint(), Rejected: r.uvarint()})
	}
	return list
}
