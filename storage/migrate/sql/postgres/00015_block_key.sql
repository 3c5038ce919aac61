-- +goose Up
-- A read asks for the blocks of a few shards, whatever their hour. With the hour in
-- front of the key it went through every entry of an hour: 35,000 with 100,000
-- series.
ALTER TABLE flush_block DROP CONSTRAINT flush_block_pkey;
ALTER TABLE flush_block ADD PRIMARY KEY (shard, arrival_hour, writer, seq);

-- +goose Down
ALTER TABLE flush_block DROP CONSTRAINT flush_block_pkey;
ALTER TABLE flush_block ADD PRIMARY KEY (arrival_hour, shard, writer, seq);
