package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// runAgent calls pass for the node that it runs on until the context ends; a pass that fails is tried again.
//
// It needs NODE_NAME and a service account with the rights of the pass.
func runAgent(ctx context.Context, every time.Duration, pass func(context.Context, kubernetes.Interface, string) error) error {
	node := os.Getenv("NODE_NAME")
	if node == "" {
		return errors.New("NODE_NAME is not set")
	}
	config, err := rest.InClusterConfig()
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	for {
		if err := pass(ctx, client, node); err != nil && ctx.Err() == nil {
			slog.Warn("pass failed, trying again", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(every):
		}
	}
}
