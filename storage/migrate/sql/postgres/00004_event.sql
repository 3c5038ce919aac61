-- +goose Up
CREATE TABLE event (
    at bigint NOT NULL,
    writer text COLLATE "C" NOT NULL,
    seq bigint NOT NULL,
    lane bigint NOT NULL,
    number bigint NOT NULL,
    kind text NOT NULL,
    status text NOT NULL,
    priority text NOT NULL,
    title text NOT NULL,
    text text NOT NULL,
    host text NOT NULL,
    key text NOT NULL,
    source text NOT NULL,
    container text NOT NULL,
    tags jsonb NOT NULL,
    PRIMARY KEY (at, writer, seq, lane, number)
);

-- +goose Down
DROP TABLE event;
