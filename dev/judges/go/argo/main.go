// Command argo answers as Argo CD does, by its own code: health, buttons, comparison, and a sync with pruning.
package main

import "hogwarts.edu/maraudersmap/dev/judges/question"

func main() {
	question.Serve(map[string]question.Judge{
		"argocd-health":    argoHealth,
		"argocd-actions":   argoActions,
		"argocd-action":    argoAction,
		"argocd-diff":      argoDiff,
		"argocd-live-diff": argoLiveDiff,
		"argocd-sync":      argoSync,
	})
}
