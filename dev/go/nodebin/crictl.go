package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

const (
	containerdSocket = "unix:///run/containerd/containerd.sock"
	criTimeout       = 30 * time.Second
)

// crictl is the part of the tool of that name which kind and kubeadm call: listing and inspecting images.
// The tool itself cannot be had as a module.
func crictl(args []string) error {
	words := make([]string, 0, len(args))
	for i := 0; i < len(args); i++ {
		switch a := args[i]; {
		case a == "-r" || a == "--runtime-endpoint" || a == "-i" || a == "--image-endpoint" || a == "-o" || a == "--output":
			i++ // one endpoint and one format here
		case strings.HasPrefix(a, "-"):
		default:
			words = append(words, a)
		}
	}
	if len(words) == 0 {
		return errors.New("usage: crictl images | inspecti IMAGE | pull IMAGE | rmi IMAGE | info")
	}
	connection, err := grpc.NewClient(containerdSocket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return fmt.Errorf("dial containerd: %w", err)
	}
	defer connection.Close()
	ctx, cancel := context.WithTimeout(context.Background(), criTimeout)
	defer cancel()
	images := runtimeapi.NewImageServiceClient(connection)
	switch command := words[0]; {
	case command == "images":
		reply, err := images.ListImages(ctx, &runtimeapi.ListImagesRequest{})
		return printJSON(reply, err)
	case command == "inspecti" && len(words) == 2:
		reply, err := images.ImageStatus(ctx, &runtimeapi.ImageStatusRequest{Image: &runtimeapi.ImageSpec{Image: words[1]}})
		if err == nil && reply.Image == nil {
			return fmt.Errorf("no such image %q present", words[1])
		}
		return printJSON(reply, err)
	case command == "pull" && len(words) == 2:
		reply, err := images.PullImage(ctx, &runtimeapi.PullImageRequest{Image: &runtimeapi.ImageSpec{Image: words[1]}})
		return printJSON(reply, err)
	case command == "rmi" && len(words) == 2:
		reply, err := images.RemoveImage(ctx, &runtimeapi.RemoveImageRequest{Image: &runtimeapi.ImageSpec{Image: words[1]}})
		return printJSON(reply, err)
	case command == "info":
		reply, err := runtimeapi.NewRuntimeServiceClient(connection).Status(ctx, &runtimeapi.StatusRequest{})
		return printJSON(reply, err)
	default:
		return fmt.Errorf("%q is not in this small crictl", strings.Join(words, " "))
	}
}

func printJSON(reply any, err error) error {
	if err != nil {
		return err
	}
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetIndent("", "  ")
	return encoder.Encode(reply)
}
