package main

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/argoproj/argo-cd/gitops-engine/v3/pkg/diff"
	appv1 "github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
	"github.com/argoproj/argo-cd/v3/util/lua"
	jsonpatch "github.com/evanphx/json-patch"
	"github.com/go-logr/logr"
	"hogwarts.edu/maraudersmap/dev/judges/question"
)

const (
	healthSetting  = "resource.customizations.health."
	actionsSetting = "resource.customizations.actions."
)

// overrides is what Argo CD makes of the settings in its ConfigMap: "hogwarts.edu_MaraudersMap" is "hogwarts.edu/MaraudersMap".
func overrides(settings map[string]string) map[string]appv1.ResourceOverride {
	found := map[string]appv1.ResourceOverride{}
	for name, value := range settings {
		for _, prefix := range []string{healthSetting, actionsSetting} {
			kind, matches := strings.CutPrefix(name, prefix)
			if !matches {
				continue
			}
			key := strings.Replace(kind, "_", "/", 1)
			override := found[key]
			if prefix == healthSetting {
				override.HealthLua = value
			} else {
				override.Actions = value
			}
			found[key] = override
		}
	}
	return found
}

func argoHealth(_ context.Context, q question.Question) (question.Answer, error) {
	judged, err := lua.ResourceHealthOverrides(overrides(q.Settings)).GetResourceHealth(q.Object)
	if err != nil {
		return nil, err
	}
	if judged == nil {
		return question.Answer{"status": "", "message": "no health is configured"}, nil
	}
	return question.Answer{"status": judged.Status, "message": judged.Message}, nil
}

// argoActions is which buttons are offered: name and whether it can be pressed.
func argoActions(_ context.Context, q question.Question) (question.Answer, error) {
	vm := lua.VM{ResourceOverrides: overrides(q.Settings)}
	scripts, err := vm.GetResourceActionDiscovery(q.Object)
	if err != nil {
		return nil, err
	}
	actions, err := vm.ExecuteResourceActionDiscovery(q.Object, scripts)
	if err != nil {
		return nil, err
	}
	offered := map[string]bool{}
	for _, action := range actions {
		offered[action.Name] = !action.Disabled
	}
	return question.Answer{"offered": offered}, nil
}

// argoAction is the merge patch that Argo CD's server would send when the button is pressed.
func argoAction(_ context.Context, q question.Question) (question.Answer, error) {
	vm := lua.VM{ResourceOverrides: overrides(q.Settings)}
	action, err := vm.GetResourceAction(q.Object, q.Action)
	if err != nil {
		return nil, err
	}
	before, err := json.Marshal(q.Object)
	if err != nil {
		return nil, err
	}
	impacted, err := vm.ExecuteResourceAction(q.Object, action.ActionLua, nil)
	if err != nil {
		return nil, err
	}
	patches := []question.Answer{}
	for _, one := range impacted {
		after, err := json.Marshal(one.UnstructuredObj)
		if err != nil {
			return nil, err
		}
		patch, err := jsonpatch.CreateMergePatch(before, after)
		if err != nil {
			return nil, err
		}
		patches = append(patches, question.Answer{"operation": one.K8SOperation, "patch": json.RawMessage(patch)})
	}
	return question.Answer{"impacted": patches}, nil
}

// argoDiff compares on the client: by the last applied configuration where there is one, else in two ways.
func argoDiff(ctx context.Context, q question.Question) (question.Answer, error) {
	return compared(diff.Diff(ctx, q.Object, q.Live, diff.WithLogr(logr.Discard())))
}

func compared(result *diff.DiffResult, err error) (question.Answer, error) {
	if err != nil {
		return nil, err
	}
	return question.Answer{
		"outOfSync": result.Modified,
		"live":      json.RawMessage(result.NormalizedLive),
		"predicted": json.RawMessage(result.PredictedLive),
	}, nil
}
