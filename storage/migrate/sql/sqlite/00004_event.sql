-- +goose Up
CREATE TABLE event (
    at integer NOT NULL,
    writer text NOT NULL,
    seq integer NOT NULL,
    lane integer NOT NULL,
    number integer NOT NULL,
    kind text NOT NULL,
    status text NOT NULL,
    priority text NOT NULL,
    title text NOT NULL,
    text text NOT NULL,
    host text NOT NULL,
    key text NOT NULL,
    source text NOT NULL,
    container text NOT NULL,
    tags text NOT NULL,
    PRIMARY KEY (at, writer, seq, lane, number)
);

-- +goose Down
DROP TABLE event;
