// Command nexusctl takes metrics, keeps them and answers for them: the daemon
// and everything that talks to it, in one binary.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	os.Exit(run(context.Background(), os.Args, os.Stdin, os.Stdout, os.Stderr))
}

// interruptible ends with the first SIGINT or SIGTERM. The daemon has stages
// of its own and does not use it.
func interruptible(ctx context.Context) (context.Context, context.CancelFunc) {
	return signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
}
