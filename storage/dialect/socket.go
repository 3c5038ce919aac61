package dialect

import (
	"context"
	"net"

	"github.com/jackc/pgx/v5/pgconn"

	"example.com/nexusctl/protocol/socket"
)

// quickly has connections read and written without the scheduler being told. Else
// whoever comes back from a call to a local server waits for its turn behind a flush
// that encodes: a small read did so twice.
func quickly(dial pgconn.DialFunc) pgconn.DialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return socket.Quick(c), nil
	}
}
