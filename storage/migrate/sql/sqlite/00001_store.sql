-- +goose Up
CREATE TABLE store_meta (
    id text PRIMARY KEY -- the store's own identity; a new one with every `migrate up` from nothing
) WITHOUT ROWID;
CREATE TABLE metric (
    name text PRIMARY KEY,
    description text NOT NULL,
    unit text NOT NULL
) WITHOUT ROWID;
CREATE TABLE series (
    id integer PRIMARY KEY,
    key_hash blob NOT NULL,
    key blob NOT NULL,
    name text NOT NULL,
    type text NOT NULL,
    tags text NOT NULL,
    UNIQUE (key_hash, key)
);
CREATE INDEX series_name ON series (name, id);
CREATE TABLE series_next (
    one boolean PRIMARY KEY CHECK (one),
    next integer NOT NULL
);
INSERT INTO series_next VALUES (true, 1);
CREATE TABLE series_run (
    name text NOT NULL,
    start integer NOT NULL,
    size integer NOT NULL,
    used integer NOT NULL,
    PRIMARY KEY (name, start)
) WITHOUT ROWID;
CREATE TABLE writer_position (
    writer text PRIMARY KEY,
    position integer NOT NULL,
    seq integer NOT NULL,
    counts text NOT NULL,
    updated_at integer NOT NULL
) WITHOUT ROWID;
CREATE TABLE counter_day (
    series_id integer NOT NULL,
    day integer NOT NULL,
    sum real NOT NULL,
    neg real NOT NULL,
    PRIMARY KEY (series_id, day)
) WITHOUT ROWID;
CREATE TABLE flush_block (
    arrival_hour integer NOT NULL,
    shard integer NOT NULL,
    writer text NOT NULL,
    seq integer NOT NULL,
    data blob NOT NULL,
    PRIMARY KEY (arrival_hour, shard, writer, seq)
);
CREATE TABLE chunk_file (
    day integer PRIMARY KEY -- each has a file chunks-YYYY-MM-DD.db beside this one
);
CREATE TABLE compaction (
    shard integer NOT NULL,
    hour integer NOT NULL,
    gens integer NOT NULL,
    PRIMARY KEY (shard, hour)
) WITHOUT ROWID;

-- +goose Down
DROP TABLE compaction;
DROP TABLE chunk_file;
DROP TABLE flush_block;
DROP TABLE counter_day;
DROP TABLE writer_position;
DROP TABLE series_run;
DROP TABLE series_next;
DROP TABLE series;
DROP TABLE metric;
DROP TABLE store_meta;
