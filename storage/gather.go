package storage

import (
	"slices"

	"example.com/nexusctl/storage/block"
)

// gatherSeries is how many series of a shard are gathered at once. An hour of all of
// them is hundreds of thousands of points, 40 MB, which the system had to make room
// for at each compaction, and of which no processor's cache holds much. The points
// of as many are 3 MB, and there is room for those of other kinds in their places.
const gatherSeries = 64

// gathered deals the points of one shard's blocks out by series and kind, some
// series after the other. Its room serves one shard after the other, and nothing is
// sorted but the few whose times are not in order.
type gathered struct {
	readers []block.Reader // of the blocks, by writer
	writers []int          // where the blocks of each end
	from    int64          // the first series of those that come next
	end     int64          // behind the shard's last
	groups  [gatherSeries * block.NumKinds][]block.Point
	written [gatherSeries * block.NumKinds]int // points of the writers before
}

// open begins a shard with the blocks of each writer, in order.
func (g *gathered) open(shard int64, byWriter [][][]byte) error {
	g.from, g.end = shard*block.ShardSize, (shard+1)*block.ShardSize
	n := 0
	g.writers = g.writers[:0]
	for _, list := range byWriter {
		for _, data := range list {
			if n == len(g.readers) {
				g.readers = append(g.readers, block.Reader{})
			}
			if err := g.readers[n].Open(data); err != nil {
				return err
			}
			n++
		}
		g.writers = append(g.writers, n)
	}
	clear(g.readers[n:]) // they would keep their blocks
	return nil
}

// next returns the points of each series and kind, in order, of the next series; ok
// is false behind the last. What it returns holds up to its next call.
func (g *gathered) next() (list [][]block.Point, ok bool, err error) {
	if g.from >= g.end {
		return nil, false, nil
	}
	for i := range g.groups {
		clear(g.groups[i]) // sketches would keep their blocks
		g.groups[i], g.written[i] = g.groups[i][:0], 0
	}
	from, blocks := g.from, 0
	g.from += gatherSeries
	place := func(series int64, kind block.Kind) *block.Point {
		group := &g.groups[int(series-from)*block.NumKinds+int(kind)]
		if *group == nil {
			*group = make([]block.Point, 0, blocks)
		}
		*group = append(*group, block.Point{})
		return &(*group)[len(*group)-1]
	}
	first := 0
	for _, blocks = range g.writers {
		for i := range g.readers[first:blocks] {
			if err := g.readers[first+i].Next(g.from, place); err != nil {
				return nil, false, err
			}
		}
		first = blocks
		g.mergeWriter()
	}
	return g.merge(), true, nil
}

// mergeWriter merges what the last writer said of one bucket.
func (g *gathered) mergeWriter() {
	for i, points := range g.groups {
		if from := g.written[i]; len(points) > from {
			merged := mergeInPlace(points[from:], block.Merge)
			g.groups[i] = points[:from+len(merged)]
			g.written[i] = from + len(merged)
		}
	}
}

// merge returns the points of each series and kind, in order, after all writers.
func (g *gathered) merge() [][]block.Point {
	out := make([][]block.Point, 0, gatherSeries)
	for _, points := range g.groups {
		if len(points) == 0 {
			continue
		}
		if len(g.writers) > 1 {
			points = mergeInPlace(points, block.MergeWriters)
		}
		out = append(out, points)
	}
	return out
}

func mergeInPlace(points []block.Point, merge func(a, b block.Point) block.Point) []block.Point {
	if isMerged(points) {
		return points
	}
	slices.SortStableFunc(points, byPlace)
	return mergeSorted(points, merge)
}
