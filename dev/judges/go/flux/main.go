// Command flux answers as Flux does, by its own code: kstatus, apply, detection of drift, and waiting.
package main

import "hogwarts.edu/maraudersmap/dev/judges/question"

func main() {
	question.Serve(map[string]question.Judge{
		"kstatus":    kstatus,
		"flux-apply": fluxApply,
		"flux-diff":  fluxDiff,
		"flux-wait":  fluxWait,
	})
}
