-- +goose Up
CREATE TABLE store_meta (
    id text PRIMARY KEY -- the store's own identity; a new one with every `migrate up` from nothing
);
CREATE TABLE metric (
    name text COLLATE "C" PRIMARY KEY,
    description text NOT NULL,
    unit text NOT NULL
);
CREATE TABLE series (
    id bigint PRIMARY KEY,
    key_hash bytea NOT NULL,
    key bytea NOT NULL,
    name text COLLATE "C" NOT NULL,
    type text NOT NULL,
    tags jsonb NOT NULL,
    UNIQUE (key_hash, key)
);
CREATE INDEX series_name ON series (name, id);
CREATE TABLE series_next (
    one boolean PRIMARY KEY CHECK (one),
    next bigint NOT NULL
);
INSERT INTO series_next VALUES (true, 1);
CREATE TABLE series_run (
    name text COLLATE "C" NOT NULL,
    start bigint NOT NULL,
    size bigint NOT NULL,
    used bigint NOT NULL,
    PRIMARY KEY (name, start)
);
CREATE TABLE writer_position (
    writer text PRIMARY KEY,
    position bigint NOT NULL,
    seq bigint NOT NULL,
    counts jsonb NOT NULL,
    updated_at bigint NOT NULL
);
CREATE TABLE counter_day (
    series_id bigint NOT NULL,
    day bigint NOT NULL,
    sum double precision NOT NULL,
    neg double precision NOT NULL,
    PRIMARY KEY (series_id, day)
);
CREATE TABLE flush_block (
    arrival_hour bigint NOT NULL,
    shard bigint NOT NULL,
    writer text NOT NULL,
    seq bigint NOT NULL,
    data bytea NOT NULL,
    PRIMARY KEY (arrival_hour, shard, writer, seq)
) PARTITION BY RANGE (arrival_hour);
ALTER TABLE flush_block ALTER COLUMN data SET STORAGE EXTERNAL;
CREATE TABLE chunk_10s (
    series_id bigint NOT NULL,
    start_ts bigint NOT NULL,
    gen bigint NOT NULL,
    data bytea NOT NULL,
    PRIMARY KEY (series_id, start_ts, gen)
) PARTITION BY RANGE (start_ts);
ALTER TABLE chunk_10s ALTER COLUMN data SET STORAGE EXTERNAL;
CREATE TABLE compaction (
    shard bigint NOT NULL,
    hour bigint NOT NULL,
    gens bigint NOT NULL,
    PRIMARY KEY (shard, hour)
);

-- +goose Down
DROP TABLE compaction;
DROP TABLE chunk_10s;
DROP TABLE flush_block;
DROP TABLE counter_day;
DROP TABLE writer_position;
DROP TABLE series_run;
DROP TABLE series_next;
DROP TABLE series;
DROP TABLE metric;
DROP TABLE store_meta;
