package storage

import (
	"fmt"
	"slices"

	"example.com/nexusctl/storage/block"
)

// gathered deals the points of one shard's blocks out by series and kind. An hour
// of a shard is hundreds of thousands of points, 40 MB: its room serves one shard
// after the other, and nothing is sorted but the few whose times are not in order.
type gathered struct {
	first   int64 // series
	blocks  int   // of the shard's hour
	groups  [block.ShardSize * block.NumKinds][]block.Point
	written [block.ShardSize * block.NumKinds]int // points of the writers before
	points  []block.Point                         // of one block
}

func (g *gathered) reset(shard int64, blocks int) {
	g.first, g.blocks = shard*block.ShardSize, blocks
	for i := range g.groups {
		clear(g.groups[i]) // sketches would keep their blocks
		g.groups[i] = g.groups[i][:0]
		g.written[i] = 0
	}
}

// add takes one writer's blocks, in order, and merges what they say of one
// bucket.
func (g *gathered) add(list [][]byte) (err error) {
	for _, data := range list {
		if g.points, err = block.DecodeBlock(data, g.points[:0]); err != nil {
			return err
		}
		for i := range g.points {
			p := &g.points[i]
			at := p.Series - g.first
			if at < 0 || at >= block.ShardSize {
				return fmt.Errorf("%w: series %d of another shard", block.ErrMalformed, p.Series)
			}
			k := int(at)*block.NumKinds + int(p.Kind)
			if g.groups[k] == nil {
				g.groups[k] = make([]block.Point, 0, g.blocks)
			}
			g.groups[k] = append(g.groups[k], *p)
		}
	}
	for i, points := range g.groups {
		if from := g.written[i]; len(points) > from {
			merged := mergeInPlace(points[from:], block.Merge)
			g.groups[i] = points[:from+len(merged)]
			g.written[i] = from + len(merged)
		}
	}
	return nil
}

// merge returns the points of each series and kind, in order, after so many
// writers.
func (g *gathered) merge(writers int) [][]block.Point {
	out := make([][]block.Point, 0, block.ShardSize)
	for _, points := range g.groups {
		if len(points) == 0 {
			continue
		}
		if writers > 1 {
			points = mergeInPlace(points, block.MergeWriters)
		}
		out = append(out, points)
	}
	return slices.Clip(out)
}

func mergeInPlace(points []block.Point, merge func(a, b block.Point) block.Point) []block.Point {
	if isMerged(points) {
		return points
	}
	slices.SortStableFunc(points, byPlace)
	return mergeSorted(points, merge)
}
