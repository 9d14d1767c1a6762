package main

import (
	"context"
	"os/signal"
	"syscall"
)

// signalContext ends on SIGTERM and SIGINT.
func signalContext() context.Context {
	ctx, _ := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	return ctx
}
