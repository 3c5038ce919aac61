-- +goose Up
-- Rows by the hour stand by time, as they are written: a month of one series is in
-- 720 places. A day's rows are held a second time, one chunk a series.
CREATE TABLE rollup_1h_day (
    ts integer NOT NULL, -- the day's start, milliseconds
    series_id integer NOT NULL,
    data blob NOT NULL,
    PRIMARY KEY (ts, series_id)
) WITHOUT ROWID;
-- The days of a shard whose chunks are what the rows say.
CREATE TABLE rollup_1h_whole (
    ts integer NOT NULL,
    shard integer NOT NULL,
    PRIMARY KEY (ts, shard)
) WITHOUT ROWID;

-- +goose Down
DROP TABLE rollup_1h_whole;
DROP TABLE rollup_1h_day;
