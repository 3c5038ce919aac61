-- +goose Up
-- What was deleted: whose points are still to be removed, and which ids other
-- daemons must not use any more.
CREATE TABLE series_gone (
    id integer PRIMARY KEY,
    seq integer NOT NULL,
    at integer NOT NULL,
    purged integer NOT NULL DEFAULT 0
);
CREATE INDEX series_gone_seq ON series_gone (seq);
ALTER TABLE series_next ADD COLUMN forgotten integer NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE series_next DROP COLUMN forgotten;
DROP TABLE series_gone;
