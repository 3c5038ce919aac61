-- +goose Up
-- The latest changes to the series. What is as of a change that is not among them
-- is of another history: the store was set back to an earlier state since.
CREATE TABLE series_change (
    seq integer PRIMARY KEY
);
INSERT INTO series_change SELECT changes FROM series_next;

-- +goose Down
DROP TABLE series_change;
