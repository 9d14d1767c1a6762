"""What each reason means and what a person can do about it, in plain English. One entry for each member of `Reason`."""

from __future__ import annotations

from collections.abc import Mapping

from .names import LABEL_COMPONENT, LABEL_INSTANCE, LABEL_SERVICE, Component
from .reasons import About, Person, Place, Reason

RETRY = (
    "when the cause is gone and the spec is right as it is: `kubectl marauders retry {name} -n {namespace}`"
)
CHANGE = "otherwise change the spec: another content is another revision and is tried at once"
AT_ONCE = "it is tried again by itself; at once: `kubectl marauders retry {name} -n {namespace}`"
DIFF = "compare the two revisions: `kubectl marauders diff {name} -n {namespace}`"
MIGRATION_LOG = (
    "read the Job's log: `kubectl logs -n {namespace} --tail=50 -l "
    f"{LABEL_INSTANCE}={{name}},{LABEL_COMPONENT}={Component.MIGRATIONS}`"
)
ROUTE = "see what the Gateway reports: `kubectl get httproute {name}-api -n {namespace} -o yaml`, under status.parents"
CHILDREN = "see which object it is: `kubectl describe mm {name} -n {namespace}`, condition ChildrenApplied"

AUTOSCALER = "see what the autoscaler reports: `kubectl describe hpa {name}-api-hpa -n {namespace}`"

CONDITION, EVENT = (Place.CONDITION,), (Place.EVENT,)
REJECTED = (Place.CONDITION, Place.EVENT, Place.LEDGER, Place.HISTORY)
WITHDRAWN = (Place.CONDITION, Place.EVENT, Place.HOLD, Place.HISTORY)


def _bad(meaning: str, *steps: str) -> About:
    return About(REJECTED, Person.NEEDED, meaning, steps)


def _held(meaning: str, *steps: str) -> About:
    return About(WITHDRAWN, Person.IF_IT_LASTS, meaning, steps)


def _stuck(meaning: str, *steps: str) -> About:
    return About(CONDITION, Person.NEEDED, meaning, steps)


def _passing(meaning: str, *steps: str) -> About:
    return About(CONDITION, Person.IF_IT_LASTS, meaning, steps)


def _state(meaning: str, *steps: str) -> About:
    return About(CONDITION, Person.NO, meaning, steps)


def _event(meaning: str, *steps: str) -> About:
    return About(EVENT, Person.NO, meaning, steps)


VERDICTS: Mapping[Reason, About] = {
    Reason.IMAGE_NOT_FOUND: _bad(
        "the registry answers that this image or tag does not exist",
        "check spec.image for a slip, and that the tag has been pushed",
        f"tag pushed late? {RETRY}; spec.rollout.imageNotFoundGraceSeconds waits for the next one",
        CHANGE,
    ),
    Reason.CONTAINER_CONFIG_INVALID: _bad(
        "the kubelet cannot create its container from this template, now or later",
        "correct what the message names (user, command, capabilities) in the image or the spec",
        CHANGE,
    ),
    Reason.ADMISSION_REFUSED: About(
        (*REJECTED, Place.HOLD),
        Person.NEEDED,
        "an admission policy of the cluster refuses its pods",
        (
            "make the pod template satisfy the policy that the message names, or have the policy changed",
            CHANGE,
            RETRY,
        ),
    ),
    Reason.MIGRATION_FAILED: _bad(
        "its migrations ran and ended with an error, so no pod of it was started on a half-changed schema",
        MIGRATION_LOG,
        "correct the migration in a new image and set spec.image",
        "not done in time, and meant to take longer? raise spec.migrations.timeoutSeconds",
        RETRY,
    ),
    Reason.CRASH_LOOP: _bad(
        "its containers kept ending, in more than one attempt",
        "read the last log lines: an exit at start is most often a setting or a missing dependency",
        CHANGE,
        RETRY,
    ),
    Reason.OOM_KILLED: _bad(
        "its containers were killed because they used more memory than their limit",
        "raise spec.resources.limits.memory, or find what the revision needs the memory for",
        CHANGE,
    ),
    Reason.PROGRESS_DEADLINE_EXCEEDED: _bad(
        "its pods ran, and no further one became ready within spec.rollout.progressDeadlineSeconds",
        "see what its readiness probe answered (GET /health/ready names the failing check)",
        "a slow start that is meant to be: raise spec.rollout.progressDeadlineSeconds",
        CHANGE,
        RETRY,
    ),
    Reason.ROLLOUT_TIMEOUT: _bad(
        "the rollout was not done within spec.rollout.timeoutSeconds",
        "see which pods were not ready, and why",
        "raise spec.rollout.timeoutSeconds if it needs that long",
        RETRY,
    ),
    Reason.NOT_READY_AFTER_PROMOTION: _bad(
        "it was ready out of traffic and lost its readiness under traffic",
        "look for what only load brings: connections, memory, a slow dependency",
        CHANGE,
        RETRY,
    ),
    Reason.ERROR_RATE: _bad(
        "more of its answers were errors (5xx) than of the stable pods'", DIFF, CHANGE, RETRY
    ),
    Reason.LATENCY: _bad(
        "its answers took longer than those of the stable pods",
        "slower on purpose? raise spec.rollout.analysis.latency.maxRatio",
        DIFF,
        RETRY,
    ),
    Reason.QUERY: _bad(
        "a query of spec.rollout.analysis.prometheus gave a number out of its bounds",
        "run the query that the message names in Prometheus, and compare the number with its bounds",
        CHANGE,
        RETRY,
    ),
    Reason.ANALYSIS_INCONCLUSIVE: _bad(
        "it had too little traffic to be judged; with spec.rollout.analysis.onInconclusive Fail it is rejected for that, "
        "with Pass it goes on and a Normal Event records it",
        "lower spec.rollout.analysis.minRequests, or watch longer (bakeSeconds, steps)",
        RETRY,
    ),
    Reason.ABORTED: _bad("its rollout was ended by `abort`", RETRY, CHANGE),
}

ENVIRONMENT: Mapping[Reason, About] = {
    Reason.IMAGE_PULL_DENIED: _held(
        "the registry refuses the credentials; running pods do not pull, so they do not notice",
        "renew the Secret that spec.pullSecrets names, then try at once: `kubectl marauders retry {name} -n {namespace}`",
    ),
    Reason.QUOTA_EXCEEDED: _held(
        "the namespace's quota has no room for the candidate's pods",
        "free or raise it (`kubectl describe resourcequota -n {namespace}`)",
        "then try at once: `kubectl marauders retry {name} -n {namespace}`",
    ),
    Reason.INSUFFICIENT_CAPACITY: _held(
        "no node has room for the candidate's pods",
        "add nodes or lower spec.resources.requests; BlueGreen needs room for two sets of pods",
        AT_ONCE,
    ),
    Reason.PODS_NOT_STARTED: _held(
        "its container never ran, so nothing is known of the revision: pulling, mounting or placing did not come to an end",
        "see what its pods wait for: `kubectl describe pod -n {namespace} -l " + LABEL_INSTANCE + "={name}`",
        AT_ONCE,
    ),
    Reason.INJECTED_CONTAINER_FAILING: _held(
        "a container that something else put into its pods (a mesh, an agent) fails or never ends; the application is not "
        "to blame",
        "repair what injects the container that the message names, or exempt these pods by spec.podTemplate.annotations",
        AT_ONCE,
    ),
    Reason.MIGRATION_INTERRUPTED: _held(
        "its migrations Job ended before the migrations did, or they never ran: what the message names is the cause, not "
        "the migrations",
        "see what the message names: the registry, a node, a volume, an injected container",
        MIGRATION_LOG,
        AT_ONCE,
    ),
    Reason.DATABASE_UNREACHABLE: _held(
        "the migrations could not reach the database; they are tried again by themselves",
        "check the database and the Secret with its URL",
    ),
    Reason.DATABASE_DISTURBED: _held(
        "the evaluation database was not ready, or was replaced by an empty one, during the trial, so the revision cannot be "
        "blamed",
        "see why its pod went: `kubectl describe pod {name}-postgres-0 -n {namespace}`",
        "keep its data: spec.database.evaluation.storage of a new resource",
        AT_ONCE,
    ),
    Reason.STABLE_DISTURBED: _held(
        "the stable pods suffered at the same time, so the revision alone cannot be blamed",
        "look at what both share: database, cache, nodes",
        AT_ONCE,
        "known, and the new revision is the remedy? `kubectl marauders promote {name} -n {namespace}` overrides",
    ),
    Reason.NO_CONTROL_GROUP: _held(
        "it failed while no pod of the stable revision was ready to compare with, or none with a Secret as it is now: a "
        "cause that both share (the database, the network, the Secret) looks the same",
        "see what failed at that time: `kubectl get events -n {namespace}`",
        "keep pods to compare with throughout: spec.rollout.strategy BlueGreen",
        AT_ONCE,
    ),
    Reason.PODS_LOST: _held(
        "pods were lost or reset with their nodes, evicted or deleted, or kept out of traffic although their own container "
        "was ready (a silent node, a readiness gate), so the revision cannot be blamed",
        "see the nodes: `kubectl get nodes`",
        AT_ONCE,
    ),
    Reason.LEFTOVERS_REMAIN: _held(
        "pods of another revision cannot be deleted, and shared traffic would reach them too",
        "see what keeps the Deployment that the message names: a finalizer, a policy, missing rights of the operator",
        "use spec.rollout.strategy BlueGreen, which shares no traffic, to go past it",
    ),
    Reason.ROUTE_NOT_SERVED: _held(
        "no Gateway gave the candidate its share in time, so it could not be tried; that is nothing against it",
        ROUTE,
        "remove spec.gateway where there is no Gateway: shares are then numbers of pods",
    ),
}

WAITS: Mapping[Reason, About] = {
    Reason.SECRET_NOT_FOUND: _stuck(
        "a Secret that the spec names does not exist", "create it; it is found within a minute"
    ),
    Reason.SECRET_KEY_NOT_FOUND: _stuck(
        "a Secret lacks the key that the spec names", "add the key, or correct its name"
    ),
    Reason.CONFIG_MAP_NOT_FOUND: _stuck(
        "a ConfigMap that the spec names does not exist, or the operator's copy of one that pods of a revision in use read",
        "create it; it is found within a minute",
        "see the message for a copy: it is made again when its ConfigMap has the content that it had",
    ),
    Reason.CONFIG_MAP_KEY_NOT_FOUND: _stuck(
        "a ConfigMap lacks the key that the spec names", "add the key, or correct its name"
    ),
    Reason.REFERENCES_UNREAD: _passing(
        "a Secret or ConfigMap that the spec names could not be read, so nothing new starts; what runs goes on",
        "see what the message names: rights of the operator, or an API server that does not answer",
    ),
    Reason.TARGET_UNKNOWN: _passing(
        "what the spec asks for cannot be read or understood now, so everything stays as it is and nothing new starts",
        "see what the message names",
    ),
    Reason.UNKNOWN_FIELD: _passing(
        "the spec has a field or a value that this version of the operator does not know, so nothing new starts",
        "install the operator's release that knows what the message names, or remove it from the spec",
    ),
    Reason.DEFINITION_OLDER: _stuck(
        "the custom resource definition is not of the operator's release, and a rollout's verdict could not be remembered",
        "apply the definition of the operator's release, from its files: `kubectl apply --server-side -k crds`",
        "wait: the operator notices within a minute, and goes on by itself",
    ),
    Reason.STATUS_NEWER: _stuck(
        "a newer operator has stored something that this one cannot read, so it starts nothing beside it",
        "install the newer operator again, and go back to the older one when no rollout is on",
    ),
    Reason.INVALID_SPEC: _stuck(
        "the stored spec does not fit this version of the operator",
        "correct the field that the message names; `kubectl explain mm.spec` describes each",
    ),
    Reason.DATABASE_NOT_READY: _passing(
        "the evaluation database is not ready; no new revision starts before it is",
        "ask what it waits for if it lasts: `kubectl describe pod {name}-postgres-0 -n {namespace}`",
    ),
    Reason.MIGRATING: _state("the migrations of the new revision run; its pods start after them"),
    Reason.WAITING_FOR_PODS: _state(
        "the candidate's pods are not all ready for long enough; the deadline is running"
    ),
    Reason.WAITING_FOR_ROUTE: _passing(
        "the Gateway does not give the candidate its share yet; the progress deadline is running", ROUTE
    ),
    Reason.WAITING_FOR_PROMOTION: About(
        CONDITION,
        Person.DECIDES,
        "the new revision is ready for the next step and waits for a person (spec.rollout.autoPromote, or a canary's pause)",
        (
            "try it out: `kubectl port-forward service/{name}-api-preview 8080:80 -n {namespace}`",
            "take it: `kubectl marauders promote {name} -n {namespace}`",
            "or leave it: `kubectl marauders abort {name} -n {namespace}`",
        ),
    ),
    Reason.GOING_BACK: _state("traffic or pods are on their way back to the stable revision"),
    Reason.STABLE_NOT_READY: _passing(
        "traffic should go back to the stable revision, which has no ready pod",
        "see why its pods are not ready; the candidate keeps serving until one is",
    ),
    Reason.NO_WAY_BACK: _passing(
        "the candidate has all traffic and the revision before it has no ready pod to take it back",
        "see why those pods are not ready; they are kept, and started again, until the bake is over",
    ),
    Reason.IRREVERSIBLE_MIGRATION: _stuck(
        "the candidate is bad, but its migrations changed the schema past what the stable revision can work with",
        "correct the cause in a new image and set spec.image: it goes forward from here",
        "if you know that the old one still works, back: `kubectl marauders abort {name} -n {namespace}`",
    ),
}

STATES: Mapping[Reason, About] = {
    Reason.PENDING: _state("it waits for something it needs"),
    Reason.DEPLOYING: _state("the first revision starts; there is none to go back to yet"),
    Reason.ROLLING_OUT: _state("a candidate is on trial; the stable revision serves, alone or with it"),
    Reason.BAKING: _state(
        "the candidate has all traffic; the stable revision stands by until spec.rollout.bakeSeconds are over",
        "end the wait: `kubectl marauders promote {name} -n {namespace}`",
        "or go back: `kubectl marauders abort {name} -n {namespace}`",
    ),
    Reason.READY: _state("the spec's revision is stable and all its pods are ready"),
    Reason.DEGRADED: _passing(
        "the stable revision serves, and less well than it should: pods, endpoints, database or route are not as wanted",
        "see what is not ready: `kubectl marauders status {name} -n {namespace}`",
    ),
    Reason.ROLLED_BACK: About(
        (Place.CONDITION, Place.EVENT),
        Person.NEEDED,
        "the revision that the spec asks for is rejected; the stable one serves",
        ("see why: `kubectl marauders explain {name} -n {namespace}`", CHANGE, RETRY),
    ),
    Reason.PAUSED: About(
        CONDITION,
        Person.DECIDES,
        "spec.rollout.paused is true, so no revision goes further",
        ("let it go on: `kubectl marauders resume {name} -n {namespace}`",),
    ),
    Reason.SUSPENDED: About(
        CONDITION,
        Person.DECIDES,
        "spec.suspend is true: no pods run",
        ("set spec.suspend to false to start them",),
    ),
    Reason.STALLED: _stuck(
        "it does not go on before someone changes something", "do what the message asks for"
    ),
    Reason.STABLE_SERVING: _state("the spec's revision is stable and all its pods are ready"),
    Reason.IDLE: _state("no rollout is on"),
    Reason.WITNESSES: _state("the first pods of the candidate prove themselves, out of traffic"),
    Reason.SHARING: _state("the candidate has a part of the traffic"),
    Reason.FULL_SIZE: _state("the candidate grows to its full size, out of traffic"),
    Reason.PODS_READY: _state("endpoints of the Service are ready: requests are answered"),
    Reason.NO_READY_PODS: _passing(
        "no pod that traffic points to is ready: requests are not answered",
        "see why they are not ready: `kubectl marauders status {name} -n {namespace}`",
    ),
    Reason.NO_ENDPOINTS: _passing(
        "pods are ready, and no endpoint of the Service is",
        "see the Service's endpoints: `kubectl get endpointslices -n {namespace} -l "
        + LABEL_SERVICE
        + "={name}-api`",
    ),
    Reason.NOT_REJECTED: _state("the revision that the spec asks for is not rejected"),
    Reason.ROLLED_BACK_TO: About(
        CONDITION,
        Person.DECIDES,
        "an earlier revision was asked for; that lasts until the spec asks for other pods",
        (
            "to go on with what the spec asks for: `kubectl marauders retry {name} -n {namespace}`",
            "to stay for good, set the spec to what serves now",
        ),
    ),
    Reason.EXTERNAL: _state("the database is the user's own; migrations show whether it can be reached"),
    Reason.EVALUATION_DATABASE_READY: _state("the evaluation database is ready"),
    Reason.MIGRATED: _state("the schema is the one that the revision needs"),
    Reason.NOT_STARTED: _state("migrations have not run yet; they run before the first pods of a revision"),
    Reason.DISABLED: _state("spec.migrations.enabled is false"),
    Reason.ACCEPTED: _state("every Gateway that the spec names serves the route"),
    Reason.OUTDATED: _passing("a Gateway has yet to take up the newest version of the route", ROUTE),
    Reason.NO_GATEWAY_API: _passing(
        "the cluster has no kind HTTPRoute", "install the Gateway API and a Gateway, or remove spec.gateway"
    ),
    Reason.NO_GATEWAY: _passing(
        "a Gateway that the spec names has not taken the route up",
        "see that it exists and that its listeners allow routes from the namespace {namespace}",
    ),
    Reason.NOT_CREATED: _passing("the route is about to be created", CHILDREN),
    Reason.ROUTE_UNREAD: _passing("the route could not be read; it is asked for again", "see the message"),
}

CHILDREN_OF: Mapping[Reason, About] = {
    Reason.AS_WANTED: _state("every object that belongs to the resource is as wanted"),
    Reason.REFUSED: _stuck(
        "the API server refuses an object that this resource needs",
        "read its message: quota, policy or permissions",
    ),
    Reason.UNAVAILABLE: _passing(
        "an object could not be read or written: the API server did not answer; tried again", CHILDREN
    ),
    Reason.CONFLICT: _stuck(
        "an object of a name that this resource needs belongs to somebody else; it is never taken over",
        "rename or delete one of the two; the message names it",
    ),
    Reason.LEAVING: _passing(
        "an earlier object of the same name is being deleted; the new one follows",
        "see what holds it if it lasts: its metadata.finalizers",
    ),
    Reason.CONTESTED: _stuck(
        "another program keeps changing an object of the resource; it is repaired less and less often",
        "stop the program that the message names (its field manager), or have it leave these fields alone",
    ),
    Reason.UNCONTESTED: _state("no other program changes the objects of the resource"),
    Reason.WAITING: _state(
        "the repair of an object waits until the rollout is over, which it would disturb; or a revision is not removed while "
        "users' requests may reach it"
    ),
    Reason.FOLLOWS_LOAD: _state("the autoscaler sees the load of the pods and can follow it"),
    Reason.NO_POD_METRICS: _passing(
        "the autoscaler cannot see how busy the pods are, so their number stays as it is; usual for a minute after a start",
        "see whether the cluster measures at all: `kubectl top pods -n {namespace}`; if not, install metrics-server",
        AUTOSCALER,
    ),
    Reason.SEVERAL_AUTOSCALERS: _stuck(
        "another HorizontalPodAutoscaler scales the same pods, and so none of them does",
        "find it and delete one of the two: `kubectl get hpa -n {namespace}`; for one of your own, set "
        "`autoscaling.enabled: false`",
    ),
    Reason.AT_MAXIMUM: _passing(
        "the load calls for more pods than `autoscaling.maxReplicas` allows",
        "raise `spec.autoscaling.maxReplicas`, or give each pod more CPU (`spec.resources`)",
        AUTOSCALER,
    ),
    Reason.CANNOT_SCALE: _passing(
        "the autoscaler cannot read or write the number of pods, or has another trouble; the message has its words",
        AUTOSCALER,
    ),
    Reason.NO_PROMETHEUS_OPERATOR: _state(
        "the cluster lacks kinds of the Prometheus operator, so what would be of them is not made; nothing is wrong",
        "install the Prometheus operator to have it: within a minute it is made; or set `monitoring.enabled: false`",
    ),
    Reason.NO_PLACE_FOR_MEMORY: _stuck(
        "the custom resource definition has no place for a part of the status",
        "apply the definition of the operator's release, from its files: `kubectl apply --server-side -k crds`",
    ),
    Reason.UNKNOWN_FIELDS: _state(
        "fields of the spec are defaults of a newer definition and are ignored",
        "install the operator's release that knows them if they are needed",
    ),
}

EVENTS: Mapping[Reason, About] = {
    Reason.ROLLOUT_STARTED: _event("the rollout of a new revision begins"),
    Reason.TRAFFIC_SWITCHED: _event(
        "all traffic went to the candidate; it is watched before it becomes stable"
    ),
    Reason.PROMOTED: _event("the candidate is the stable revision from now on"),
    Reason.WITHDRAWN: _event(
        "the candidate was taken away for something that is not its fault; status.hold has the cause and the next try"
    ),
    Reason.SUPERSEDED: _event("the candidate was left because the spec asks for another revision"),
    Reason.CANCELLED: _event("the candidate was left because the spec asks for the stable revision again"),
    Reason.SECRETS_CHANGED: _event(
        "a Secret that the pods read has changed; they are replaced one at a time"
    ),
    Reason.RESTARTING: _event("`restart` was asked for; the pods are replaced one at a time"),
    Reason.RETRY: _event("a rejected or held revision gets another try"),
    Reason.ROLLING_BACK_TO: _event("an earlier revision was asked for by `undo`, and its rollout begins"),
    Reason.UNKNOWN_REVISION: _event(
        "`undo` named a revision that is not recorded; nothing changes",
        "see those that are: `kubectl marauders history {name} -n {namespace}`",
    ),
    Reason.OVERRIDDEN: _event("`promote` let a rollout go on although the stable revision suffers"),
    Reason.STATUS_LOST: _event(
        "the status had been emptied, was not restored with the resource, or names a revision that there is not; "
        "what runs shows which revision is stable, and an empty ledger begins again",
        "a revision that had been rejected is tried once more: change the spec if it still asks for one",
    ),
    Reason.VERB_SUPERSEDED: _event(
        "a request had to wait and the spec was changed meanwhile; it is void",
        "ask again if it is still meant",
    ),
    Reason.NOTHING_TO_ABORT: _event(
        "`abort` was asked for, and there is no rollout or no revision to go back to"
    ),
    Reason.NOTHING_TO_PROMOTE: _event("`promote` was asked for, and there is nothing that waits for it"),
}

ABOUT: Mapping[Reason, About] = {**VERDICTS, **ENVIRONMENT, **WAITS, **STATES, **CHILDREN_OF, **EVENTS}

NEEDS_A_PERSON = frozenset(reason for reason, about in ABOUT.items() if about.person is Person.NEEDED)
"""Those that no waiting cures."""
