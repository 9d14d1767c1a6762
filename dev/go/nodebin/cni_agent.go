package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/vishvananda/netlink"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

const (
	cniConfigFile = "/etc/cni/net.d/10-marauders.conflist"
	routesEvery   = 2 * time.Second
	// routeProtocol marks our routes, so that only ours are ever removed (any value above 4 that no daemon uses).
	routeProtocol = 77
)

// cniAgent gives the pods of a node their network, and the node a route to the pods of every other node.
//
// Nodes come and go in a test cluster, so the routes are compared again every two seconds; each pass is one small request.
func cniAgent(ctx context.Context) error {
	configured := ""
	return runAgent(ctx, routesEvery, func(ctx context.Context, client kubernetes.Interface, self string) error {
		nodes, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{ResourceVersion: "0"})
		if err != nil {
			return fmt.Errorf("list nodes: %w", err)
		}
		return connect(self, nodes.Items, &configured)
	})
}

func connect(self string, nodes []corev1.Node, configured *string) error {
	want := map[string]net.IP{}
	for _, node := range nodes {
		if node.Spec.PodCIDR == "" {
			continue
		}
		if node.Name == self {
			if *configured != node.Spec.PodCIDR {
				if err := writeCNIConfig(node.Spec.PodCIDR); err != nil {
					return err
				}
				*configured = node.Spec.PodCIDR
			}
			continue
		}
		for _, address := range node.Status.Addresses {
			if ip := net.ParseIP(address.Address); address.Type == corev1.NodeInternalIP && ip.To4() != nil {
				want[node.Spec.PodCIDR] = ip
			}
		}
	}
	return syncRoutes(want)
}

// writeCNIConfig announces the network to containerd: a veth pair per pod, host ports, masquerading to the outside.
func writeCNIConfig(podCIDR string) error {
	conflist := map[string]any{
		"cniVersion": "0.4.0",
		"name":       "marauders",
		"plugins": []map[string]any{
			{
				"type":   "ptp",
				"ipMasq": false, // kube-proxy and the rule below see to it: pods must see each other's own addresses
				"ipam": map[string]any{
					"type":    "host-local",
					"dataDir": "/run/cni-ipam-state",
					"routes":  []map[string]string{{"dst": "0.0.0.0/0"}},
					"ranges":  [][]map[string]string{{{"subnet": podCIDR}}},
				},
				"mtu": 1500,
			},
			{"type": "portmap", "capabilities": map[string]bool{"portMappings": true}},
		},
	}
	content, err := json.MarshalIndent(conflist, "", "  ")
	if err != nil {
		return err
	}
	if err := masquerade(os.Getenv("POD_SUBNET")); err != nil {
		return err
	}
	// containerd watches the folder: it must never see half a file.
	temporary := filepath.Join(filepath.Dir(cniConfigFile), ".marauders.tmp")
	if err := os.WriteFile(temporary, content, 0o644); err != nil {
		return err
	}
	slog.Info("network of this node", "podCIDR", podCIDR)
	return os.Rename(temporary, cniConfigFile)
}

func syncRoutes(want map[string]net.IP) error {
	have, err := netlink.RouteListFiltered(netlink.FAMILY_V4, &netlink.Route{Protocol: routeProtocol}, netlink.RT_FILTER_PROTOCOL)
	if err != nil {
		return fmt.Errorf("list routes: %w", err)
	}
	for i := range have {
		if via, wanted := want[have[i].Dst.String()]; !wanted || !via.Equal(have[i].Gw) {
			if err := netlink.RouteDel(&have[i]); err != nil && !errors.Is(err, syscall.ESRCH) {
				return fmt.Errorf("remove route %s: %w", have[i].Dst, err)
			}
		}
	}
	for cidr, via := range want {
		_, destination, err := net.ParseCIDR(cidr)
		if err != nil {
			return fmt.Errorf("node's podCIDR: %w", err)
		}
		if err := netlink.RouteReplace(&netlink.Route{Dst: destination, Gw: via, Protocol: routeProtocol}); err != nil {
			return fmt.Errorf("route to %s by way of %s: %w", cidr, via, err)
		}
	}
	return nil
}
