-- +goose Up
-- Chunks may have further forms of columns from here on (docs/format/chunk.md).
-- No table changes: the version keeps a nexusctl away that could not read them.
SELECT 1;

-- +goose Down
SELECT 1;
