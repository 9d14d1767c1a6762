"""The API's pods: the template of a revision, its Deployment, and the record that can make it again."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from maraudersmap_operator.children import names
from maraudersmap_operator.children.environment import api_environment, api_environment_sources
from maraudersmap_operator.children.owner import Manifest, Owner
from maraudersmap_operator.children.security import container_security, pod_security
from maraudersmap_operator.resource.names import (
    ANNOTATION_IMAGE,
    ANNOTATION_RESTART,
    ANNOTATION_SECRETS,
    ANNOTATION_STARTUP,
    API_PORT,
    API_PORT_NAME,
    LABEL_REVISION,
    Component,
)
from maraudersmap_operator.resource.spec import MaraudersMapSpec
from maraudersmap_operator.resource.workload import LivenessProbe, ReadinessProbe

API_UID = 10001
CONTAINER = "api"
# The operator judges progress by itself; the Deployment's own deadline only feeds its Progressing condition.
_DEPLOYMENT_PROGRESS_DEADLINE_SECONDS = 600


def pod_template(
    owner: Owner,
    spec: MaraudersMapSpec,
    revision: str,
    config_map_copies: Mapping[str, str] | None = None,
) -> Manifest:
    """The rendered pod template of a revision, labels included.

    `config_map_copies`: name of a user's ConfigMap -> name of the copy the pods shall read; without an entry
    they read the user's own.
    """
    copies = config_map_copies or {}
    extra = spec.pod_template
    metadata: Manifest = {
        "labels": {**extra.labels, **owner.labels(Component.API), LABEL_REVISION: revision},
    }
    if extra.annotations:
        metadata["annotations"] = dict(extra.annotations)
    return {"metadata": metadata, "spec": _pod(owner, spec, revision, copies)}


def deployment(
    owner: Owner,
    revision: str,
    template: Manifest,
    restart: str = "",
    secrets: str = "",
    startup_seconds: int | None = None,
) -> Manifest:
    """Deployment of a revision. It has no `replicas`: only the scale subresource writes that.

    A new value of `restart` (somebody asked) or `secrets` (one has changed) exchanges its pods one at a time; neither is
    a part of the revision. `startup_seconds`: how long its containers may take to start, instead of what the template
    recorded; a deadline is a policy, and may have changed since.
    """
    template = deepcopy(template)
    notes = None
    if startup_seconds is not None:
        notes = {ANNOTATION_STARTUP: str(startup_seconds)}
        for container in template["spec"]["containers"]:
            if container["name"] == CONTAINER and "startupProbe" in container:
                container["startupProbe"]["failureThreshold"] = startup_seconds
    for annotation, value in ((ANNOTATION_RESTART, restart), (ANNOTATION_SECRETS, secrets)):
        if value:
            template["metadata"].setdefault("annotations", {})[annotation] = value
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": owner.metadata_for(
            names.deployment(owner.name, revision),
            component=Component.API,
            labels={LABEL_REVISION: revision},
            annotations=notes,
        ),
        "spec": {
            "selector": {"matchLabels": owner.selector(Component.API, revision)},
            "strategy": {
                # Pods are exchanged inside a revision only by a restart; a new revision is a new Deployment.
                "type": "RollingUpdate",
                "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1},
            },
            "progressDeadlineSeconds": _DEPLOYMENT_PROGRESS_DEADLINE_SECONDS,
            "revisionHistoryLimit": 1,
            "template": template,
        },
    }


def controller_revision(
    owner: Owner,
    revision: str,
    number: int,
    template: Manifest,
    image: str,
    *,
    inputs: Mapping[str, Any] | None = None,
) -> Manifest:
    """The record of a revision: `data` holds its image, its template and, when given, the inputs of its hash.

    The API server refuses any later change of `data`. `number` counts a resource's revisions upwards.
    """
    data: Manifest = {"image": image, "template": deepcopy(template)}
    if inputs is not None:
        data["inputs"] = deepcopy(dict(inputs))
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": owner.metadata_for(
            names.controller_revision(owner.name, revision),
            component=Component.API,
            labels={LABEL_REVISION: revision},
            annotations={ANNOTATION_IMAGE: image},
        ),
        "revision": number,
        "data": data,
    }


def _pod(owner: Owner, spec: MaraudersMapSpec, revision: str, copies: Mapping[str, str]) -> Manifest:
    extra = spec.pod_template
    pod: Manifest = {
        "serviceAccountName": names.service_account(owner.name),
        "automountServiceAccountToken": False,
        # Variables such as <SERVICE>_PORT of every Service in the namespace would reach the API's settings.
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": spec.availability.termination_grace_seconds,
        "securityContext": pod_security(API_UID),
        "containers": [_container(owner, spec, copies)],
        "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}}],
    }
    if spec.pull_secrets:
        pod["imagePullSecrets"] = [{"name": secret.name} for secret in spec.pull_secrets]
    if constraints := _spread(owner, spec, revision):
        pod["topologySpreadConstraints"] = constraints
    if extra.node_selector:
        pod["nodeSelector"] = dict(extra.node_selector)
    if extra.tolerations:
        pod["tolerations"] = [
            toleration.model_dump(mode="json", by_alias=True, exclude_none=True)
            for toleration in extra.tolerations
        ]
    if extra.affinity:
        pod["affinity"] = deepcopy(extra.affinity)
    if extra.priority_class_name is not None:
        pod["priorityClassName"] = extra.priority_class_name
    if extra.runtime_class_name is not None:
        pod["runtimeClassName"] = extra.runtime_class_name
    return pod


def _container(owner: Owner, spec: MaraudersMapSpec, copies: Mapping[str, str]) -> Manifest:
    container: Manifest = {
        "name": CONTAINER,
        "image": spec.image,
        "ports": [{"name": API_PORT_NAME, "containerPort": API_PORT, "protocol": "TCP"}],
        "env": api_environment(owner, spec, copies),
        "resources": spec.resources.model_dump(mode="json", by_alias=True),
        "startupProbe": {
            "httpGet": {"path": "/health/live", "port": API_PORT_NAME},
            "periodSeconds": 1,
            "timeoutSeconds": spec.probes.liveness.timeout_seconds,
            # Liveness must not kill a slow starter: giving up is the rollout's decision, at its deadline.
            "failureThreshold": spec.rollout.progress_deadline_seconds,
        },
        "livenessProbe": _probe("/health/live", spec.probes.liveness),
        "readinessProbe": _probe("/health/ready", spec.probes.readiness),
        "securityContext": container_security(),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108 (an emptyDir of the pod)
    }
    if spec.pull_policy is not None:
        container["imagePullPolicy"] = spec.pull_policy.value
    if sources := api_environment_sources(spec, copies):
        container["envFrom"] = sources
    return container


def _probe(path: str, probe: LivenessProbe | ReadinessProbe) -> Manifest:
    return {
        "httpGet": {"path": path, "port": API_PORT_NAME},
        "initialDelaySeconds": probe.initial_delay_seconds,
        "periodSeconds": probe.period_seconds,
        "timeoutSeconds": probe.timeout_seconds,
        "failureThreshold": probe.failure_threshold,
    }


def _spread(owner: Owner, spec: MaraudersMapSpec, revision: str) -> list[Manifest]:
    spread = spec.availability.topology_spread
    return [
        {
            "maxSkew": 1,
            "topologyKey": key,
            "whenUnsatisfiable": spread.when_unsatisfiable.value,
            # Within the revision: the old set beside it must not push its pods onto one node.
            "labelSelector": {"matchLabels": owner.selector(Component.API, revision)},
        }
        for key in spread.topology_keys
    ]
