-- +goose Up
-- Ids of one name stand together, so a new series can have a lower id than an
-- old one. These tell a reader which runs grew since it last looked.
ALTER TABLE series_next ADD COLUMN changes integer NOT NULL DEFAULT 0;
ALTER TABLE series_run ADD COLUMN changed integer NOT NULL DEFAULT 0;
CREATE INDEX series_run_changed ON series_run (changed);

-- +goose Down
DROP INDEX series_run_changed;
ALTER TABLE series_run DROP COLUMN changed;
ALTER TABLE series_next DROP COLUMN changes;
