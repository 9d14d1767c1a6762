"""What each reason means and what a person can do about it: the operator's reasons, in the words of a colleague.

`{name}` and `{namespace}` are the resource's. Steps begin with a verb; commands stand in backquotes and can be pasted.
"""

from __future__ import annotations

from dataclasses import dataclass

RETRY = (
    "when the cause is gone and the spec is right as it is: `kubectl marauders retry {name} -n {namespace}`"
)
MIGRATION_LOG = (
    "read the Job's log: `kubectl logs -n {namespace} --tail=50 -l "
    "app.kubernetes.io/instance={name},app.kubernetes.io/component=migrations`"
)
CHANGE = "otherwise change the spec: another content is another revision and is tried at once"


@dataclass(frozen=True, slots=True)
class Advice:
    meaning: str
    steps: tuple[str, ...] = ()


ADVICE: dict[str, Advice] = {
    # Verdicts on a revision: the ledger keeps it from being tried again.
    "ImageNotFound": Advice(
        "the registry answers that this image or tag does not exist",
        (
            "check spec.image for a slip, and that the tag has been pushed",
            f"tag pushed late? {RETRY}; spec.rollout.imageNotFoundGraceSeconds waits for the next one",
            CHANGE,
        ),
    ),
    "CrashLoop": Advice(
        "its containers kept ending, in more than one attempt",
        ("read the last log lines above: an exit at start is most often a setting or a missing dependency", CHANGE, RETRY),
    ),
    "OOMKilled": Advice(
        "its containers were killed because they used more memory than their limit",
        ("raise spec.resources.limits.memory, or find what the revision needs the memory for", CHANGE),
    ),
    "ProgressDeadlineExceeded": Advice(
        "no further pod became ready within spec.rollout.progressDeadlineSeconds",
        (
            "see what its readiness probe answered (GET /health/ready names the failing check)",
            "a slow start that is meant to be: raise spec.rollout.progressDeadlineSeconds",
            CHANGE,
            RETRY,
        ),
    ),
    "RolloutTimeout": Advice(
        "the rollout was not done within spec.rollout.timeoutSeconds",
        ("see which pods were not ready, and why", "raise spec.rollout.timeoutSeconds if it needs that long", RETRY),
    ),
    "NotReadyAfterPromotion": Advice(
        "it was ready out of traffic and lost its readiness under traffic",
        ("look for what only load brings: connections, memory, a slow dependency", CHANGE, RETRY),
    ),
    "NoControlGroup": Advice(
        "it failed while no pod of the stable revision was ready to compare with: a cause that both share (the database, "
        "the network) looks the same",
        (
            "see what failed at that time: `kubectl get events -n {namespace}`",
            "spec.rollout.strategy BlueGreen keeps pods to compare with throughout",
            "it is tried again by itself; at once: `kubectl marauders retry {name} -n {namespace}`",
        ),
    ),
    "MigrationFailed": Advice(
        "its migrations Job failed, so no pod of it was started on a half-changed schema",
        (
            MIGRATION_LOG,
            "correct the migration in a new image and set spec.image",
            "not done in time, and meant to take longer? raise spec.migrations.timeoutSeconds",
            RETRY,
        ),
    ),
    "MigrationInterrupted": Advice(
        "its migrations Job ended before the migrations did; whatever ended it, or kept it from running, was not they",
        (
            "see what the message names: the registry, a node, a volume, a container that somebody put into the pod",
            MIGRATION_LOG,
            "it is tried again by itself; at once: `kubectl marauders retry {name} -n {namespace}`",
        ),
    ),
    "PodsNotStarted": Advice(
        "its container never ran, so nothing is known of the revision: pulling, mounting or placing did not come to an end",
        (
            "see what its pods wait for: `kubectl describe pod -n {namespace} -l app.kubernetes.io/instance={name}`",
            "it is tried again by itself; at once: `kubectl marauders retry {name} -n {namespace}`",
        ),
    ),
    "InjectedContainerFailing": Advice(
        "a container that somebody put into its pods (a mesh, an agent) fails or never ends; the application is not to blame",
        (
            "see to what injects the container that the message names, or exempt these pods by spec.podTemplate.annotations",
            "it is tried again by itself; at once: `kubectl marauders retry {name} -n {namespace}`",
        ),
    ),
    "LeftoversRemain": Advice(
        "pods of another revision cannot be deleted, and shared traffic would reach them too",
        (
            "see what keeps the Deployment that the message names: a finalizer, a policy, missing rights of the operator",
            "spec.rollout.strategy BlueGreen does not share traffic and goes past it",
        ),
    ),
    "NoWayBack": Advice(
        "the candidate has all traffic and the revision before it has no ready pod to take it back",
        ("see why those pods are not ready; they are kept, and started again, until the bake is over",),
    ),
    "TargetUnknown": Advice(
        "what the spec asks for cannot be read or understood now, so everything stays as it is and nothing new starts",
        ("see what the message names",),
    ),
    "DefinitionOlder": Advice(
        "the custom resource definition is older than the operator, and a rollout's verdict could not be remembered",
        (
            "apply the definition of the operator's release, from its files: `kubectl apply --server-side -k crds`",
            "the operator notices within a minute, and goes on by itself",
        ),
    ),
    "StatusNewer": Advice(
        "a newer operator has stored something that this one cannot read, so it starts nothing beside it",
        ("install the newer operator again, and go back to the older one when no rollout is on",),
    ),
    "ContainerConfigInvalid": Advice(
        "the kubelet cannot create its container from this template, now or later",
        ("correct what the message names (user, command, capabilities) in the image or the spec", CHANGE),
    ),
    "AdmissionRefused": Advice(
        "an admission policy of the cluster refuses its pods",
        ("make the pod template satisfy the policy that the message names, or have the policy changed", CHANGE, RETRY),
    ),
    "Aborted": Advice("somebody aborted its rollout", (RETRY, CHANGE)),
    "ErrorRate": Advice(
        "more of its answers were errors (5xx) than of the stable pods'",
        ("compare the two revisions: `kubectl marauders diff {name} -n {namespace}`", CHANGE, RETRY),
    ),
    "Latency": Advice(
        "its answers took longer than those of the stable pods",
        (
            "slower on purpose? raise spec.rollout.analysis.latency.maxRatio",
            "compare the two revisions: `kubectl marauders diff {name} -n {namespace}`",
            RETRY,
        ),
    ),
    "Query": Advice(
        "a query of spec.rollout.analysis.prometheus gave a number out of its bounds", (CHANGE, RETRY)
    ),
    "AnalysisInconclusive": Advice(
        "it had too little traffic to be judged, and spec.rollout.analysis.onInconclusive is Fail",
        ("lower spec.rollout.analysis.minRequests, or watch longer (bakeSeconds, steps)", RETRY),
    ),
    # The environment: nothing is held against the revision, it is tried again by itself.
    "ImagePullDenied": Advice(
        "the registry refuses the credentials; running pods do not pull, so they do not notice",
        ("renew the Secret that spec.pullSecrets names, then try at once: `kubectl marauders retry {name} -n {namespace}`",),
    ),
    "QuotaExceeded": Advice(
        "the namespace's quota has no room for the candidate's pods",
        (
            "free or raise it (`kubectl describe resourcequota -n {namespace}`)",
            "then try at once: `kubectl marauders retry {name} -n {namespace}`",
        ),
    ),
    "InsufficientCapacity": Advice(
        "no node has room for the candidate's pods",
        ("add nodes or lower spec.resources.requests; BlueGreen needs room for two sets of pods",),
    ),
    "StableDisturbed": Advice(
        "the stable pods suffered at the same time, so the revision alone cannot be blamed",
        (
            "look at what both share: database, cache, nodes; it is tried again by itself",
            "known, and the new revision mends it? `kubectl marauders promote {name} -n {namespace}` overrides",
        ),
    ),
    "DatabaseUnreachable": Advice(
        "the migrations could not reach the database; they are tried again by themselves",
        ("check the database and the Secret with its URL",),
    ),
    # Waiting for something.
    "SecretNotFound": Advice("a Secret that the spec names does not exist", ("create it; it is found within a minute",)),
    "SecretKeyNotFound": Advice("a Secret lacks the key that the spec names", ("add the key, or correct its name",)),
    "ConfigMapNotFound": Advice(
        "a ConfigMap that the spec names does not exist", ("create it; it is found within a minute",)
    ),
    "ConfigMapKeyNotFound": Advice("a ConfigMap lacks the key that the spec names", ("add the key, or correct its name",)),
    "DatabaseNotReady": Advice(
        "the evaluation database is not ready; no new revision starts before it is",
        ("`kubectl describe pod {name}-postgres-0 -n {namespace}` says why if it lasts",),
    ),
    "Migrating": Advice("the migrations of the new revision run; its pods start after them"),
    "WaitingForPods": Advice("the candidate's pods are not all ready for long enough; the deadline is running"),
    "WaitingForRoute": Advice(
        "the Gateway does not give the candidate its share yet; the progress deadline is running",
        ("see what the Gateway says: `kubectl get httproute {name}-api -n {namespace} -o yaml`, under status.parents",),
    ),
    "RouteNotServed": Advice(
        "no Gateway gave the candidate its share in time, so it could not be tried; that is nothing against it",
        (
            "see what the Gateway says: `kubectl get httproute {name}-api -n {namespace} -o yaml`, under status.parents",
            "without a Gateway: remove spec.gateway, and the shares are numbers of pods",
        ),
    ),
    "Paused": Advice(
        "spec.rollout.paused is true, so no revision goes further",
        ("let it go on: `kubectl marauders resume {name} -n {namespace}`",),
    ),
    "WaitingForPromotion": Advice(
        "the new revision is ready for the next step and waits for a person (spec.rollout.autoPromote, or a canary's pause)",
        (
            "try it out: `kubectl port-forward service/{name}-api-preview 8080:80 -n {namespace}`",
            "take it: `kubectl marauders promote {name} -n {namespace}`",
            "or leave it: `kubectl marauders abort {name} -n {namespace}`",
        ),
    ),
    "IrreversibleMigration": Advice(
        "the candidate is bad, but its migrations changed the schema past what the stable revision can work with",
        (
            "correct the cause in a new image and set spec.image: it goes forward from here",
            "if you know that the old one still works, back: `kubectl marauders abort {name} -n {namespace}`",
        ),
    ),
    "GoingBack": Advice("the exchange of pods is being undone in batches; the old revision comes back"),
    "PodsLost": Advice(
        "pods were lost with their nodes, evicted or deleted, so the revision cannot be blamed",
        ("see the nodes: `kubectl get nodes`; it is tried again by itself",),
    ),
    "RolledBackTo": Advice(
        "an earlier revision was asked for; that lasts until the spec asks for other pods",
        (
            "to go on with what the spec asks for: `kubectl marauders retry {name} -n {namespace}`",
            "to stay for good, set the spec to what serves now",
        ),
    ),
    "StableNotReady": Advice(
        "traffic should go back to the stable revision, which has no ready pod",
        ("see why its pods are not ready; the candidate keeps serving until one is",),
    ),
    "Conflict": Advice(
        "an object of a name that this resource needs belongs to somebody else; it is never taken over",
        ("rename or delete one of the two; the message names it",),
    ),
    "Refused": Advice(
        "the API server refuses an object that this resource needs", ("read its message: quota, policy or permissions",)
    ),
    "InvalidSpec": Advice(
        "the stored spec does not fit this version of the operator",
        ("correct the field that the message names; `kubectl explain mm.spec` describes each",),
    ),
    # Steady states.
    "Ready": Advice("the spec's revision is stable and all its pods are ready"),
    "Degraded": Advice(
        "the stable revision serves with fewer ready pods than wanted",
        ("see the pods that are not ready: `kubectl marauders status {name} -n {namespace}`",),
    ),
    "Suspended": Advice("spec.suspend is true: no pods run", ("set spec.suspend to false to start them",)),
    "Deploying": Advice("the first revision starts; there is none to go back to yet"),
    "RollingOut": Advice("a candidate is on trial, out of traffic; the stable revision serves"),
    "Baking": Advice(
        "the candidate has all traffic; the stable revision stands by until spec.rollout.bakeSeconds are over",
        (
            "end the wait: `kubectl marauders promote {name} -n {namespace}`",
            "or go back: `kubectl marauders abort {name} -n {namespace}`",
        ),
    ),
    "Pending": Advice("it waits for something it needs"),
    "Stalled": Advice("only a person can help; the message says how"),
}  # fmt: skip
