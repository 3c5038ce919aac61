package storage

import "example.com/nexusctl/storage/block"

// Parted is a table that is kept in stretches of its key: in partitions on
// Postgres, and on SQLite, where Kind is set, in files beside the database. A
// backup carries it stretch by stretch, so that either database can take it.
type Parted struct {
	Table, Column string
	Width         int64  // of a stretch, in the column's unit
	Kind          string // of SQLite's files; empty: rows of a table
	tier          tier
}

// PartedTables lists them.
func PartedTables() []Parted {
	list := []Parted{{Table: "flush_block", Column: "arrival_hour", Width: 1}}
	for _, t := range tiers {
		column := "start_ts"
		if t.kind == "" {
			column = "ts"
		}
		list = append(list, Parted{Table: t.name, Column: column, Width: t.span, Kind: t.kind, tier: t})
	}
	return list
}

// Stretch returns the number of the stretch that the file of a first day holds.
func (p Parted) Stretch(day int64) int64 { return day * dayMillis / p.Width }

// FirstDay returns the first day of a stretch, as files are named by it.
func (p Parted) FirstDay(stretch int64) int64 { return stretch * p.Width / dayMillis }

// Key packs a chunk's place into the key that it has in its file.
func (p Parted) Key(series, start, gen int64) int64 { return p.tier.key(series, start, gen) }

// Place takes a key of the file of a stretch apart.
func (p Parted) Place(stretch, key int64) (series, start, gen int64) {
	place := key >> (seriesBits + genBits)
	return key & (1<<seriesBits - 1), stretch*p.Width + place*p.tier.unit, key >> seriesBits & (1<<genBits - 1)
}

// Shard returns the shard of a series.
func Shard(series int64) int64 { return series / block.ShardSize }

// Valid names the table of marks that says which generations of the file's
// chunks are valid, by shard and unit of time, the unit's width in
// milliseconds, and whether it is the last one alone.
func (p Parted) Valid() (table, column string, unit int64, last bool) {
	if p.Table == tierMinutes.name {
		return "minute_day", "day", dayMillis, true
	}
	return "compaction", "hour", hourMillis, false
}
