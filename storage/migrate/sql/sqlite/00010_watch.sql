-- +goose Up
ALTER TABLE writer_position ADD COLUMN watermark integer NOT NULL DEFAULT 0;
ALTER TABLE writer_position ADD COLUMN left_at integer NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE writer_position DROP COLUMN left_at;
ALTER TABLE writer_position DROP COLUMN watermark;
