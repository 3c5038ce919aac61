package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"example.com/nexusctl/daemon/config"
	"example.com/nexusctl/protocol/client"
	"example.com/nexusctl/storage"
)

// Exit codes. Scripts rely on them.
const (
	exitOK          = 0
	exitFailure     = 1
	exitUsage       = 2
	exitConfig      = 3
	exitAuth        = 4
	exitUnreachable = 5
	exitThreshold   = 99
	exitInterrupted = 130
)

// usageError is a command line that makes no sense.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

func usage(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

// quietError is a failure that the output has told already.
type quietError struct{ code int }

func (e *quietError) Error() string { return fmt.Sprintf("exit code %d", e.code) }

// exitCode maps errors to codes: the one place that does.
func exitCode(err error) int {
	var quiet *quietError
	var bad *usageError
	var cfg *configError
	var notFound *config.NotFoundError
	var problem *client.ProblemError
	switch {
	case errors.As(err, &quiet):
		return quiet.code
	case errors.As(err, &bad):
		return exitUsage
	case errors.As(err, &cfg), errors.As(err, &notFound):
		return exitConfig
	case errors.As(err, &problem) && (problem.Status == http.StatusUnauthorized || problem.Status == http.StatusForbidden):
		return exitAuth
	case errors.Is(err, client.ErrUnreachable), errors.Is(err, storage.ErrUnavailable):
		return exitUnreachable
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	}
	return exitFailure
}
