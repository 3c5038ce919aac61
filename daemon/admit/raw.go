package admit

import (
	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/series"
)

// AdmitRaw decides on a series of raw samples. ok is false beyond the budget:
// an overflow series would mix samples whose times are their identity, and
// keep the first of them alone. The key's tags are sorted.
func (l *Lane) AdmitRaw(k *series.Key) (a Admission, ok bool) {
	l.key = k.Append(l.key[:0])
	s := l.catalog.admitRaw(l.key, k)
	if s == nil {
		return Admission{}, false
	}
	return l.refer(s, 1, 0), true
}

// admitRaw returns the series of a canonical key, nil where the budget has no
// room for it. Its sender is not named: requests come from gateways of others.
func (c *Catalog) admitRaw(key []byte, k *series.Key) *Series {
	h := c.byKey.hash(key)
	if s := c.lookup(h, key); s != nil && !s.Gone() {
		return s
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	s, _ := c.take(h, metricOf(k), key, nil)
	return s
}

// metricOf is a key as the budgets look at it.
func metricOf(k *series.Key) *protocol.Metric {
	m := &protocol.Metric{Name: []byte(k.Name), Type: k.Type}
	for _, t := range k.Tags {
		m.Tags = append(m.Tags, protocol.Tag{Key: []byte(t.Key), Value: []byte(t.Value)})
	}
	return m
}
