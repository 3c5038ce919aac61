-- +goose Up
-- The hash is unique, and the ordinal tells keys of one hash apart.
CREATE TABLE series_2 (
    id integer PRIMARY KEY,
    key_hash blob NOT NULL,
    ordinal integer NOT NULL DEFAULT 0,
    key blob NOT NULL,
    name text NOT NULL,
    type text NOT NULL,
    tags text NOT NULL,
    UNIQUE (key_hash, ordinal)
);
INSERT INTO series_2 (id, key_hash, ordinal, key, name, type, tags)
    SELECT id, key_hash, row_number() OVER (PARTITION BY key_hash ORDER BY id) - 1, key, name, type, tags FROM series;
DROP TABLE series;
ALTER TABLE series_2 RENAME TO series;
CREATE INDEX series_name ON series (name, id);

ALTER TABLE compaction ADD COLUMN rolled integer NOT NULL DEFAULT 0;
ALTER TABLE compaction ADD COLUMN minuted integer NOT NULL DEFAULT 0;
CREATE INDEX compaction_unrolled ON compaction (shard, hour) WHERE rolled < gens;
CREATE INDEX compaction_unminuted ON compaction (shard, hour) WHERE minuted < gens;

CREATE TABLE tier (
    name text PRIMARY KEY,
    floor integer NOT NULL
) WITHOUT ROWID;
INSERT INTO tier (name, floor) VALUES
    ('chunk_10s', 0), ('sketch_10s', 0), ('chunk_1m', 0), ('rollup_1h', 0), ('rollup_1m', 0);

CREATE TABLE chunk_file_2 (
    kind text NOT NULL, -- chunks, sketches or minutes
    day integer NOT NULL, -- the first day that the file holds
    PRIMARY KEY (kind, day)
) WITHOUT ROWID;
INSERT INTO chunk_file_2 (kind, day) SELECT 'chunks', day FROM chunk_file;
DROP TABLE chunk_file;
ALTER TABLE chunk_file_2 RENAME TO chunk_file;
CREATE TABLE minute_day (
    shard integer NOT NULL,
    day integer NOT NULL,
    gens integer NOT NULL,
    PRIMARY KEY (shard, day)
) WITHOUT ROWID;

CREATE TABLE rollup_1h (
    ts integer NOT NULL,
    series_id integer NOT NULL,
    n integer,
    sum real,
    cnt real,
    min real,
    max real,
    last real,
    last_at integer,
    neg real,
    sketch blob,
    kind integer NOT NULL,
    PRIMARY KEY (ts, series_id)
) WITHOUT ROWID;
CREATE TABLE rollup_1m (
    ts integer NOT NULL,
    series_id integer NOT NULL,
    n integer,
    sum real,
    cnt real,
    min real,
    max real,
    last real,
    last_at integer,
    neg real,
    sketch blob,
    kind integer NOT NULL,
    PRIMARY KEY (ts, series_id)
) WITHOUT ROWID;

CREATE VIEW metric_1h AS
    SELECT strftime('%Y-%m-%dT%H:%M:%SZ', r.ts / 1000, 'unixepoch') AS time, r.ts, s.name, s.type, s.tags,
           r.sum, r.cnt, r.min, r.max, r.sum / NULLIF(r.cnt, 0) AS mean, r.last, r.series_id
    FROM rollup_1h r JOIN series s ON s.id = r.series_id;
CREATE VIEW metric_1m AS
    SELECT strftime('%Y-%m-%dT%H:%M:%SZ', r.ts / 1000, 'unixepoch') AS time, r.ts, s.name, s.type, s.tags,
           r.sum, r.cnt, r.min, r.max, r.sum / NULLIF(r.cnt, 0) AS mean, r.last, r.series_id
    FROM rollup_1m r JOIN series s ON s.id = r.series_id;

-- +goose Down
DROP VIEW metric_1m;
DROP VIEW metric_1h;
DROP TABLE rollup_1m;
DROP TABLE rollup_1h;
DROP TABLE minute_day;
CREATE TABLE chunk_file_1 (
    day integer PRIMARY KEY -- each has a file chunks-YYYY-MM-DD.db beside this one
);
INSERT INTO chunk_file_1 (day) SELECT day FROM chunk_file WHERE kind = 'chunks';
DROP TABLE chunk_file;
ALTER TABLE chunk_file_1 RENAME TO chunk_file;
DROP TABLE tier;
DROP INDEX compaction_unminuted;
DROP INDEX compaction_unrolled;
ALTER TABLE compaction DROP COLUMN minuted;
ALTER TABLE compaction DROP COLUMN rolled;
CREATE TABLE series_1 (
    id integer PRIMARY KEY,
    key_hash blob NOT NULL,
    key blob NOT NULL,
    name text NOT NULL,
    type text NOT NULL,
    tags text NOT NULL,
    UNIQUE (key_hash, key)
);
INSERT INTO series_1 (id, key_hash, key, name, type, tags) SELECT id, key_hash, key, name, type, tags FROM series;
DROP TABLE series;
ALTER TABLE series_1 RENAME TO series;
CREATE INDEX series_name ON series (name, id);
