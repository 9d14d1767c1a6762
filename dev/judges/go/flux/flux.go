package main

import (
	"context"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/polling"
	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"github.com/fluxcd/pkg/ssa"
	"hogwarts.edu/maraudersmap/dev/judges/question"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// fluxOwner is what kustomize-controller calls itself.
var fluxOwner = ssa.Owner{Field: "kustomize-controller", Group: "kustomize.toolkit.fluxcd.io"}

func kstatus(_ context.Context, q question.Question) (question.Answer, error) {
	judged, err := status.Compute(q.Object)
	if err != nil {
		return nil, err
	}
	return question.Answer{"status": judged.Status, "message": judged.Message}, nil
}

// flux is the engine that kustomize-controller applies, compares and waits with; the objects carry its labels afterwards.
func flux(q question.Question) (*ssa.ResourceManager, error) {
	config, err := clientcmd.BuildConfigFromFlags("", q.Kubeconfig)
	if err != nil {
		return nil, err
	}
	there, err := client.New(config, client.Options{})
	if err != nil {
		return nil, err
	}
	poller := polling.NewStatusPoller(there, there.RESTMapper(), polling.Options{})
	manager := ssa.NewResourceManager(there, poller, fluxOwner)
	manager.SetOwnerLabels(q.Objects, q.Application, "flux-system")
	return manager, nil
}

// fluxApply is one reconciliation: created, configured or unchanged for each object.
func fluxApply(ctx context.Context, q question.Question) (question.Answer, error) {
	manager, err := flux(q)
	if err != nil {
		return nil, err
	}
	changes, err := manager.ApplyAllStaged(ctx, q.Objects, ssa.DefaultApplyOptions())
	if err != nil {
		return nil, err
	}
	return question.Answer{"actions": changes.ToMap()}, nil
}

// fluxDiff is the detection of drift: "configured" is what an apply would change.
func fluxDiff(ctx context.Context, q question.Question) (question.Answer, error) {
	manager, err := flux(q)
	if err != nil {
		return nil, err
	}
	actions := map[string]ssa.Action{}
	for _, one := range q.Objects {
		entry, _, _, err := manager.Diff(ctx, one, ssa.DefaultDiffOptions())
		if err != nil {
			return nil, err
		}
		actions[entry.Subject] = entry.Action
	}
	return question.Answer{"actions": actions}, nil
}

// fluxWait is the health check of a Kustomization with `wait: true`. "failed" is empty when all became ready.
func fluxWait(_ context.Context, q question.Question) (question.Answer, error) {
	manager, err := flux(q)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	options := ssa.WaitOptions{Interval: time.Second, Timeout: time.Duration(q.Seconds) * time.Second, FailFast: true}
	failed := ""
	if err := manager.Wait(q.Objects, options); err != nil {
		failed = err.Error()
	}
	return question.Answer{"failed": failed, "seconds": time.Since(began).Seconds()}, nil
}
