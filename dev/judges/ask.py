"""Questions to the programs of dev/judges/go, and their answers.

[judged] = ask(health(resource, settings))
judged["status"]
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from dev.cluster.host import go_tools

Object = dict[str, Any]
Question = dict[str, Any]
Answer = dict[str, Any]

ANSWER_SECONDS = 600.0
"""For all questions together: waiting is among them."""


def ask(*questions: Question) -> list[Answer]:
    """An answer to each, in their order. Raises CannotJudge when a tool refuses; builds the programs if need be."""
    answers: list[Answer] = []
    # One program for as many questions as follow each other: starting is what takes time.
    for name, asked in groupby(questions, key=_judge):
        answers += _answers(name, list(asked))
    return answers


def _judge(question: Question) -> str:
    return "argo" if question["ask"].startswith("argocd-") else "flux"


def _answers(name: str, questions: Sequence[Question]) -> list[Answer]:
    done = subprocess.run(
        [str(go_tools.judge(name))],
        input=json.dumps(questions),
        capture_output=True,
        text=True,
        timeout=ANSWER_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        raise CannotJudge(done.stderr.strip())
    answers: list[Answer] = json.loads(done.stdout)
    for question, answer in zip(questions, answers, strict=True):
        if "error" in answer:
            raise CannotJudge(f"{question['ask']}: {answer['error']}")
    return answers


class CannotJudge(Exception):
    """A tool ended with an error; its words are the message."""


# --- of objects alone -----------------------------------------------------------------------------------------------
def health(resource: Object, settings: Mapping[str, str]) -> Question:
    """Argo CD's `status` and `message`. `settings`: the data of its ConfigMap."""
    return {"ask": "argocd-health", "object": resource, "settings": dict(settings)}


def actions(resource: Object, settings: Mapping[str, str]) -> Question:
    """`offered`: whether each button can be pressed, by name."""
    return {"ask": "argocd-actions", "object": resource, "settings": dict(settings)}


def action(name: str, resource: Object, settings: Mapping[str, str]) -> Question:
    """`impacted`: the `operation` and the merge `patch` that Argo CD would send when that button is pressed."""
    return {"ask": "argocd-action", "action": name, "object": resource, "settings": dict(settings)}


def diff(git: Object, live: Object) -> Question:
    """`outOfSync`, and what was compared: `live` and `predicted`."""
    return {"ask": "argocd-diff", "object": git, "live": live}


def kstatus(resource: Object) -> Question:
    """`status` and `message`, as Flux, Helm 4 and kpt see it."""
    return {"ask": "kstatus", "object": resource}


# --- on a cluster ---------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Delivery:
    """One Application or Kustomization: what Git has for one namespace."""

    kubeconfig: str
    namespace: str
    application: str

    def live_diff(self, git: Object) -> Question:
        """As `diff`, by a server-side apply that is a dry run: what ServerSideApply=true makes Argo CD do."""
        return {"ask": "argocd-live-diff", "object": git, "kubeconfig": self.kubeconfig}

    def sync(self, git: Sequence[Object], *, seconds: int) -> Question:
        """Argo CD's sync with pruning, tracking by label. `results`: `status` and `message` by `Kind/name`."""
        return {"ask": "argocd-sync", "seconds": seconds, **self._whole(git)}

    def apply(self, git: Sequence[Object]) -> Question:
        """Flux's reconciliation. `actions`: created, configured or unchanged by `Kind/namespace/name`."""
        return {"ask": "flux-apply", **self._whole(git)}

    def drift(self, git: Sequence[Object]) -> Question:
        """Flux's detection of drift: `actions`, of which nothing comes."""
        return {"ask": "flux-diff", **self._whole(git)}

    def wait(self, git: Sequence[Object], *, seconds: int) -> Question:
        """Flux's health check: `failed` with its words, empty when all is ready, and the `seconds` that it took."""
        return {"ask": "flux-wait", "seconds": seconds, **self._whole(git)}

    def _whole(self, git: Sequence[Object]) -> Question:
        return {
            "objects": list(git),
            "kubeconfig": self.kubeconfig,
            "namespace": self.namespace,
            "application": self.application,
        }
