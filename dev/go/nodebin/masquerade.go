package main

import (
	"errors"
	"fmt"
	"os/exec"
)

// masquerade hides pod addresses from everything outside the cluster's pods, which has no route back to them.
//
// subnet is the cluster's whole pod range. The rule is checked first, so calling again adds nothing.
func masquerade(subnet string) error {
	if subnet == "" {
		return errors.New("POD_SUBNET is not set")
	}
	rule := []string{"POSTROUTING", "-s", subnet, "!", "-d", subnet, "-m", "comment", "--comment", "pods to the outside", "-j", "MASQUERADE"}
	run := func(action string) error {
		command := exec.Command("iptables", append([]string{"-w", "-t", "nat", action}, rule...)...)
		if output, err := command.CombinedOutput(); err != nil {
			return fmt.Errorf("iptables %s: %w: %s", action, err, output)
		}
		return nil
	}
	if run("-C") == nil {
		return nil
	}
	return run("-A")
}
