-- +goose Up
-- A read asks for the blocks of a few shards, whatever their hour. With the hour in
-- front of the key it went through every entry of an hour: 35,000 with 100,000
-- series.
ALTER TABLE flush_block RENAME TO flush_block_14;
CREATE TABLE flush_block (
    arrival_hour integer NOT NULL,
    shard integer NOT NULL,
    writer text NOT NULL,
    seq integer NOT NULL,
    data blob NOT NULL,
    PRIMARY KEY (shard, arrival_hour, writer, seq)
);
INSERT INTO flush_block SELECT arrival_hour, shard, writer, seq, data FROM flush_block_14;
DROP TABLE flush_block_14;

-- +goose Down
ALTER TABLE flush_block RENAME TO flush_block_15;
CREATE TABLE flush_block (
    arrival_hour integer NOT NULL,
    shard integer NOT NULL,
    writer text NOT NULL,
    seq integer NOT NULL,
    data blob NOT NULL,
    PRIMARY KEY (arrival_hour, shard, writer, seq)
);
INSERT INTO flush_block SELECT arrival_hour, shard, writer, seq, data FROM flush_block_15;
DROP TABLE flush_block_15;
