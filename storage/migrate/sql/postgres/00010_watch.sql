-- +goose Up
ALTER TABLE writer_position ADD COLUMN watermark bigint NOT NULL DEFAULT 0;
ALTER TABLE writer_position ADD COLUMN left_at bigint NOT NULL DEFAULT 0;
-- Daemons follow one another's blocks by it.
CREATE INDEX flush_block_writer ON flush_block (writer, seq);

-- +goose Down
DROP INDEX flush_block_writer;
ALTER TABLE writer_position DROP COLUMN left_at;
ALTER TABLE writer_position DROP COLUMN watermark;
