// Package question is what the judges are asked, and how: a JSON list of questions from standard input, a list with an answer for
// each to standard output; one that cannot be answered has an "error". dev/judges/ask.py is the other side.
package question

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/klog/v2"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"
)

// Object is one of the API server's, with integers as they are written.
type Object = *unstructured.Unstructured

// Question has what any of the questions needs; each uses a part of it.
type Question struct {
	Ask string `json:"ask"`
	// Object is what Git has, or the one object that is judged; Live is what the API server has.
	Object Object `json:"object"`
	Live   Object `json:"live"`
	// Settings is the data of Argo CD's ConfigMap.
	Settings map[string]string `json:"settings"`
	Action   string            `json:"action"`
	// What follows is for questions that need a cluster. Objects is all that Git has.
	Kubeconfig  string   `json:"kubeconfig"`
	Namespace   string   `json:"namespace"`
	Application string   `json:"application"`
	Objects     []Object `json:"objects"`
	Seconds     int      `json:"seconds"`
}

// Answer is what the tool found.
type Answer map[string]any

// Judge answers one kind of question.
type Judge func(context.Context, Question) (Answer, error)

// Serve answers everything that is asked, and ends the program when there is no list of questions.
func Serve(judges map[string]Judge) {
	klog.SetLogger(logr.Discard())
	ctrllog.SetLogger(logr.Discard())
	var questions []Question
	if err := json.NewDecoder(os.Stdin).Decode(&questions); err != nil {
		fmt.Fprintln(os.Stderr, "no list of questions:", err)
		os.Exit(2)
	}
	answers := make([]Answer, 0, len(questions))
	for _, asked := range questions {
		answers = append(answers, answered(judges, asked))
	}
	if err := json.NewEncoder(os.Stdout).Encode(answers); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func answered(judges map[string]Judge, asked Question) Answer {
	judge, known := judges[asked.Ask]
	if !known {
		return Answer{"error": fmt.Sprintf("no such question: %q", asked.Ask)}
	}
	found, err := judge(context.Background(), asked)
	if err != nil {
		return Answer{"error": err.Error()}
	}
	return found
}
