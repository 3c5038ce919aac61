-- +goose Up
-- Rows by the hour of one series stand together here: nothing to do.
SELECT 1;

-- +goose Down
SELECT 1;
