package main

import (
	"context"
	"encoding/json"
	"time"

	"github.com/argoproj/argo-cd/gitops-engine/v3/pkg/cache"
	"github.com/argoproj/argo-cd/gitops-engine/v3/pkg/diff"
	"github.com/argoproj/argo-cd/gitops-engine/v3/pkg/engine"
	"github.com/argoproj/argo-cd/gitops-engine/v3/pkg/sync"
	"github.com/argoproj/argo-cd/gitops-engine/v3/pkg/utils/kube"
	"github.com/argoproj/argo-cd/gitops-engine/v3/pkg/utils/tracing"
	"github.com/go-logr/logr"
	"hogwarts.edu/maraudersmap/dev/judges/question"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	// argoManager is the field manager of Argo CD's server-side apply.
	argoManager = "argocd-controller"
	// argoLabel is what `application.resourceTrackingMethod: label` looks at.
	argoLabel = "app.kubernetes.io/instance"
)

// dryRunner is the server-side apply that nothing comes of.
type dryRunner struct{ client client.Client }

func (d dryRunner) Run(ctx context.Context, config question.Object, manager string) (string, error) {
	predicted := config.DeepCopy()
	options := []client.ApplyOption{client.DryRunAll, client.FieldOwner(manager), client.ForceOwnership}
	if err := d.client.Apply(ctx, client.ApplyConfigurationFromUnstructured(predicted), options...); err != nil {
		return "", err
	}
	text, err := json.Marshal(predicted)
	return string(text), err
}

// argoLiveDiff compares as an Application with ServerSideApply=true does: what would an apply make of the live object?
func argoLiveDiff(ctx context.Context, q question.Question) (question.Answer, error) {
	config, err := clientcmd.BuildConfigFromFlags("", q.Kubeconfig)
	if err != nil {
		return nil, err
	}
	there, err := client.New(config, client.Options{})
	if err != nil {
		return nil, err
	}
	live := q.Object.DeepCopy()
	if err := there.Get(ctx, client.ObjectKeyFromObject(q.Object), live); err != nil {
		return nil, err
	}
	kubectl := &kube.KubectlCmd{Log: logr.Discard(), Tracer: tracing.NopTracer{}}
	_, parser, err := kubectl.LoadOpenAPISchema(config)
	if err != nil {
		return nil, err
	}
	return compared(diff.Diff(ctx, q.Object, live,
		diff.WithLogr(logr.Discard()),
		diff.WithServerSideDiff(true),
		diff.WithServerSideDryRunner(dryRunner{there}),
		diff.WithManager(argoManager),
		diff.WithGVKParser(parser),
	))
}

// argoSync is a whole sync with pruning of an Application that tracks by label: everything in the namespace with its name on it
// is its own, and what Git has not goes.
func argoSync(ctx context.Context, q question.Question) (question.Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(q.Seconds)*time.Second)
	defer cancel()
	config, err := clientcmd.BuildConfigFromFlags("", q.Kubeconfig)
	if err != nil {
		return nil, err
	}
	live := cache.NewClusterCache(config,
		cache.SetNamespaces([]string{q.Namespace}),
		cache.SetLogr(logr.Discard()),
		cache.SetPopulateResourceInfoHandler(func(found question.Object, _ bool) (any, bool) {
			application := found.GetLabels()[argoLabel]
			return application, application != ""
		}),
	)
	argo := engine.NewEngine(config, live, engine.WithLogr(logr.Discard()))
	stop, err := argo.Run()
	if err != nil {
		return nil, err
	}
	defer stop()
	isManaged := func(r *cache.Resource) bool { return r.Info == q.Application }
	results, err := argo.Sync(ctx, q.Objects, isManaged, "HEAD", q.Namespace,
		sync.WithLogr(logr.Discard()),
		sync.WithPrune(true),
		sync.WithServerSideApply(true),
		sync.WithServerSideApplyManager(argoManager),
	)
	if err != nil {
		return nil, err
	}
	reported := map[string]question.Answer{}
	for _, r := range results {
		reported[r.ResourceKey.Kind+"/"+r.ResourceKey.Name] = question.Answer{"status": r.Status, "message": r.Message}
	}
	return question.Answer{"results": reported}, nil
}
