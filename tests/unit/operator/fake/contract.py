"""What the operator relies on of an API server, as checks that run on the fake and on the real one.

Each function named check_* takes a Ground and asserts. test_fake.py runs them all on the fake, tests/cluster/
test_fake_contract.py on the real API server: where the fake differs, one of the two fails.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Awaitable, Callable
from copy import deepcopy
from typing import Any, Protocol

import pytest
from tests.unit.operator.fake import samples
from tests.unit.operator.fake.patches import copied

from maraudersmap_operator.cluster import (
    Cluster,
    Conflict,
    Manifest,
    NotFound,
    Refused,
    Unavailable,
    version_of,
)
from maraudersmap_operator.cluster.kinds import (
    AUTOSCALER,
    CONFIG_MAP,
    CONTROLLER_REVISION,
    DEPLOYMENT,
    DISRUPTION_BUDGET,
    ENDPOINT_SLICE,
    INGRESS,
    JOB,
    NETWORK_POLICY,
    NODE,
    POD,
    REPLICA_SET,
    SECRET,
    SERVICE,
    SERVICE_ACCOUNT,
    STATEFUL_SET,
    Kind,
)
from maraudersmap_operator.resource.definition import dropped
from maraudersmap_operator.resource.names import MANAGER

FOREIGN = "kubectl-edit"
POWERLESS = "system:serviceaccount:contract:powerless"
# The least that the parts of a status need.
_NOON = "2026-01-01T12:00:00Z"
STABLE: Manifest = {"revision": "fjxwhct5", "image": "registry.example/map:1", "since": _NOON}
HISTORY: Manifest = {
    "revision": "fjxwhct5",
    "image": "registry.example/map:1",
    "outcome": "Promoted",
    "startedAt": _NOON,
    "endedAt": _NOON,
}
CANDIDATE: Manifest = {
    "revision": "fjxwhct5",
    "image": "registry.example/map:1",
    "step": "Baking",
    "startedAt": _NOON,
    "stepStartedAt": _NOON,
    "memory": {"progress": {"progressedAt": _NOON}},
}
GHOST = "00000000-0000-4000-8000-00000000dead"


class Ground(Protocol):
    """Where a check runs. Names are the check's own: all of them share the namespace."""

    cluster: Cluster
    foreign: Cluster  # the same API server, written by another field manager
    powerless: Cluster  # the same, as POWERLESS, who may do nothing
    namespace: str
    resource: Kind  # MaraudersMap, or a copy of it that no operator looks after

    async def quota(self, name: str, hard: dict[str, str]) -> None:
        """A ResourceQuota that is in force when this returns."""

    async def no_quota(self, name: str) -> None: ...

    async def watched(self, kind: Kind, selector: str, since: int) -> list[tuple[str, Manifest]]:
        """What a watch tells of everything after that version, until now."""

    async def orphan(self, kind: Kind, name: str) -> None:
        """`kubectl delete --cascade=orphan`."""

    async def until(self, look: Callable[[], Awaitable[bool]], what: str) -> None:
        """Let the cluster work until `look` is True; fails after a generous while."""


Check = Callable[[Ground], Awaitable[None]]


def checks() -> list[Any]:
    """Parameters for pytest, one a check."""
    found = sorted((n, f) for n, f in globals().items() if n.startswith("check_"))
    return [pytest.param(function, id=name.removeprefix("check_")) for name, function in found]


# --- versions and identity --------------------------------------------------------------------------------------------
async def check_a_version_changes_with_the_object_and_with_each_life_of_it(on: Ground) -> None:
    """Asked for alone; what does not exist has none."""
    secret = {
        "apiVersion": SECRET.api_version,
        "kind": SECRET.kind,
        "metadata": {"name": "versioned", "namespace": on.namespace},
        "stringData": {"owl": "Hedwig"},
    }
    assert await on.cluster.version(SECRET, on.namespace, "versioned") == ""
    first = await on.cluster.create(secret)
    seen = [await on.cluster.version(SECRET, on.namespace, "versioned")]
    assert seen == [version_of(first)]
    await on.cluster.merge(SECRET, on.namespace, "versioned", {"stringData": {"owl": "Errol"}})
    seen.append(await on.cluster.version(SECRET, on.namespace, "versioned"))
    await on.cluster.delete(SECRET, on.namespace, "versioned", _uid(first))
    await on.cluster.create(secret)
    seen.append(await on.cluster.version(SECRET, on.namespace, "versioned"))
    assert len(set(seen)) == 3


async def check_one_counter_for_all_versions(on: Ground) -> None:
    first = await on.cluster.create(samples.config_map(on.namespace, "counter-a"))
    second = await on.cluster.create(samples.service(on.namespace, "counter-b"))
    listing = await on.cluster.list(CONFIG_MAP, on.namespace)
    assert _version(first) < _version(second) <= listing.resource_version


async def check_create_twice_conflicts(on: Ground) -> None:
    await on.cluster.create(samples.config_map(on.namespace, "twice"))
    with pytest.raises(Conflict):
        await on.cluster.create(samples.config_map(on.namespace, "twice"))


async def check_another_life_has_another_uid(on: Ground) -> None:
    first = await on.cluster.create(samples.config_map(on.namespace, "lives"))
    await on.cluster.delete(CONFIG_MAP, on.namespace, "lives", _uid(first))
    second = await on.cluster.create(samples.config_map(on.namespace, "lives"))
    assert _uid(first) != _uid(second)
    with pytest.raises(Conflict):
        await on.cluster.delete(CONFIG_MAP, on.namespace, "lives", _uid(first))


async def check_stale_put_conflicts(on: Ground) -> None:
    first = await on.cluster.create(samples.service(on.namespace, "stale-put"))
    await on.foreign.merge(SERVICE, on.namespace, "stale-put", _annotation("a"))
    with pytest.raises(Conflict):
        await on.cluster.replace(_with(first, "spec", "sessionAffinity", "ClientIP"))


async def check_put_with_a_foreign_uid_conflicts(on: Ground) -> None:
    first = await on.cluster.create(samples.deployment(on.namespace, "ghost-put"))
    with pytest.raises(Conflict):
        await on.cluster.replace(_with(first, "metadata", "uid", GHOST))


async def check_put_on_nothing_is_not_found_or_refused(on: Ground) -> None:
    first = await on.cluster.create(samples.service(on.namespace, "gone-put"))
    await on.cluster.delete(SERVICE, on.namespace, "gone-put", _uid(first))
    with pytest.raises((NotFound, Conflict)):
        await on.cluster.replace(first)


async def check_stale_json_patch_conflicts(on: Ground) -> None:
    first = await on.cluster.create(samples.service(on.namespace, "stale-patch"))
    await on.foreign.merge(SERVICE, on.namespace, "stale-patch", _annotation("a"))
    with pytest.raises(Conflict):
        await on.cluster.patch(SERVICE, on.namespace, "stale-patch", _route(first, {"x": "y"}))


async def check_fitting_json_patch_routes(on: Ground) -> None:
    first = await on.cluster.create(samples.service(on.namespace, "route"))
    after = await on.cluster.patch(SERVICE, on.namespace, "route", _route(first, {"x": "y"}))
    assert after["spec"]["selector"] == {"x": "y"}
    assert after["spec"]["ports"] == first["spec"]["ports"]
    assert _version(after) > _version(first)


async def check_patch_on_nothing_is_not_found(on: Ground) -> None:
    with pytest.raises(NotFound):
        await on.cluster.merge(SERVICE, on.namespace, "never", _annotation("a"))
    with pytest.raises(NotFound):
        await on.cluster.patch(SERVICE, on.namespace, "never", [{"op": "remove", "path": "/spec/selector"}])


async def check_stale_scale_conflicts(on: Ground) -> None:
    first = await on.cluster.create(samples.deployment(on.namespace, "scale-me"))
    await on.foreign.merge(DEPLOYMENT, on.namespace, "scale-me", _annotation("a"))
    for uid, version in ((_uid(first), first["metadata"]["resourceVersion"]), (GHOST, "")):
        with pytest.raises(Conflict):
            await on.cluster.scale(DEPLOYMENT, on.namespace, "scale-me", 0, uid=uid, version=version)


async def check_scale_owns_replicas_through_its_subresource(on: Ground) -> None:
    await on.cluster.create(samples.deployment(on.namespace, "scale-own", replicas=0))
    first = await _settled(on, DEPLOYMENT, "scale-own")
    fence = {"uid": _uid(first), "version": first["metadata"]["resourceVersion"]}
    await on.cluster.scale(DEPLOYMENT, on.namespace, "scale-own", 1, **fence)
    after = await _get(on, DEPLOYMENT, "scale-own")
    assert after["spec"]["replicas"] == 1
    assert after["metadata"]["generation"] == first["metadata"]["generation"] + 1
    assert _owners(after, "f:spec", "f:replicas") == {(MANAGER, "Update", "scale")}


async def check_scale_of_nothing_is_not_found(on: Ground) -> None:
    with pytest.raises(NotFound):
        await on.cluster.scale(DEPLOYMENT, on.namespace, "never", 1, uid=GHOST, version="1")


async def check_delete_is_fenced(on: Ground) -> None:
    first = await on.cluster.create(samples.config_map(on.namespace, "fenced"))
    await on.foreign.merge(CONFIG_MAP, on.namespace, "fenced", _annotation("a"))
    stale = first["metadata"]["resourceVersion"]
    with pytest.raises(Conflict):
        await on.cluster.delete(CONFIG_MAP, on.namespace, "fenced", GHOST)
    with pytest.raises(Conflict):
        await on.cluster.delete(CONFIG_MAP, on.namespace, "fenced", _uid(first), version=stale)
    await on.cluster.delete(CONFIG_MAP, on.namespace, "fenced", _uid(first))
    assert await on.cluster.get(CONFIG_MAP, on.namespace, "fenced") is None
    await on.cluster.delete(CONFIG_MAP, on.namespace, "fenced", _uid(first))


async def check_what_is_no_quantity_is_refused(on: Ground) -> None:
    """A size or a request that somebody's edit has made unreadable: the write fails, nothing else does."""
    await on.cluster.create(samples.deployment(on.namespace, "no-quantity"))
    for number, wrong in enumerate(("64Mix", "a lot", "1.2.3")):
        limit = {"name": "room", "emptyDir": {"sizeLimit": wrong}}
        with pytest.raises(Refused, match="quantities must match the regular expression"):
            await on.cluster.create(_with_volume(samples.deployment(on.namespace, f"size-{number}"), limit))
    live = await _get(on, DEPLOYMENT, "no-quantity")
    with pytest.raises(Refused, match="quantities must match the regular expression") as caught:
        await on.cluster.replace(_with_volume(live, {"name": "room", "emptyDir": {"sizeLimit": "64Mix"}}))
    assert caught.value.status == 400
    # Of a patch it is the patch that is invalid.
    volumes = [{"name": "room", "emptyDir": {"sizeLimit": "64Mix"}}]
    merge = {"spec": {"template": {"spec": {"volumes": volumes}}}}
    with pytest.raises(Refused, match=r"patch: Invalid value: .*quantities must match") as caught:
        await on.foreign.merge(DEPLOYMENT, on.namespace, "no-quantity", merge)
    assert caught.value.status == 422
    patch = [{"op": "add", "path": "/spec/template/spec/volumes", "value": volumes}]
    with pytest.raises(Refused, match=r"patch: Invalid value: .*quantities must match") as caught:
        await on.foreign.patch(DEPLOYMENT, on.namespace, "no-quantity", patch)
    assert caught.value.status == 422
    after = await _get(on, DEPLOYMENT, "no-quantity")
    assert after["spec"] == live["spec"]  # its controller goes on writing into its status
    assert after["metadata"]["generation"] == live["metadata"]["generation"]


# --- writes that change nothing ---------------------------------------------------------------------------------------
async def check_equal_put_changes_nothing(on: Ground) -> None:
    first = await on.cluster.create(samples.service(on.namespace, "same"))
    sent = copied(first)
    sent["metadata"].pop("managedFields")
    after = await on.cluster.replace(sent)
    assert after == first
    assert await _get(on, SERVICE, "same") == first


async def check_put_of_the_builders_form_changes_nothing(on: Ground) -> None:
    """What leaves out defaults equals what has them."""
    first = await on.cluster.create(samples.service(on.namespace, "bare"))
    bare = samples.service(on.namespace, "bare")
    for part in ("uid", "resourceVersion"):
        bare["metadata"][part] = first["metadata"][part]
    assert await on.cluster.replace(bare) == first


async def check_equal_patches_change_nothing(on: Ground) -> None:
    first = await on.cluster.create(samples.service(on.namespace, "same-patch"))
    after = await on.cluster.patch(
        SERVICE, on.namespace, "same-patch", _route(first, first["spec"]["selector"])
    )
    assert after == first
    assert (
        await on.foreign.merge(SERVICE, on.namespace, "same-patch", {"spec": {"type": "ClusterIP"}}) == first
    )


async def check_equal_status_apply_changes_nothing(on: Ground) -> None:
    first = await on.cluster.create(samples.resource(on.resource, on.namespace, "same-status"))
    status = {"phase": "Pending", "observedGeneration": 1}
    once = await _apply_status(on, first, status)
    twice = await _apply_status(on, once, status)
    assert once == twice


# --- generation -------------------------------------------------------------------------------------------------------
async def check_generation_counts_changes_of_the_spec_only(on: Ground) -> None:
    await on.cluster.create(samples.deployment(on.namespace, "generations", replicas=0))
    first = await _settled(on, DEPLOYMENT, "generations")
    assert first["metadata"]["generation"] == 1
    labelled = await on.cluster.merge(DEPLOYMENT, on.namespace, "generations", _annotation("a"))
    assert labelled["metadata"]["generation"] == 2  # of a Deployment, annotations count as well
    labels = {"metadata": {"labels": {"contract": "a"}}}
    labelled = await on.cluster.merge(DEPLOYMENT, on.namespace, "generations", labels)
    assert labelled["metadata"]["generation"] == 2
    changed = await on.cluster.merge(DEPLOYMENT, on.namespace, "generations", {"spec": {"paused": True}})
    assert changed["metadata"]["generation"] == 3
    budget = await on.cluster.create(samples.disruption_budget(on.namespace, "generations"))
    assert budget["metadata"]["generation"] == 1
    budget = await on.cluster.merge(DISRUPTION_BUDGET, on.namespace, "generations", _annotation("a"))
    assert budget["metadata"]["generation"] == 1


async def check_services_have_no_generation(on: Ground) -> None:
    for manifest in (samples.service(on.namespace, "ageless"), samples.autoscaler(on.namespace, "ageless")):
        assert "generation" not in (await on.cluster.create(manifest))["metadata"]


# --- managedFields ----------------------------------------------------------------------------------------------------
async def check_each_field_has_the_manager_that_wrote_it(on: Ground) -> None:
    first = await on.cluster.create(samples.service(on.namespace, "owners"))
    assert _owners(first, "f:spec", "f:selector") == {(MANAGER, "Update", "")}
    after = await on.foreign.merge(SERVICE, on.namespace, "owners", {"spec": {"selector": {"extra": "key"}}})
    assert after["spec"]["selector"] == first["spec"]["selector"] | {"extra": "key"}
    assert _owners(after, "f:spec", "f:selector") == {(FOREIGN, "Update", "")}
    assert _owners(after, "f:spec", "f:sessionAffinity") == {(MANAGER, "Update", "")}


async def check_put_removes_foreign_fields_and_their_owner(on: Ground) -> None:
    await on.cluster.create(samples.deployment(on.namespace, "foreign-env", replicas=0))
    patch = [
        {
            "op": "add",
            "path": "/spec/template/spec/containers/0/env/-",
            "value": {"name": "FOO", "value": "b"},
        }
    ]
    changed = await on.foreign.patch(DEPLOYMENT, on.namespace, "foreign-env", patch)
    assert _names(changed) == ["A", "FOO"]
    assert FOREIGN in {e["manager"] for e in changed["metadata"]["managedFields"]}
    current = await _settled(on, DEPLOYMENT, "foreign-env")
    template = samples.deployment(on.namespace, "foreign-env")["spec"]["template"]
    after = await on.cluster.replace(_with(current, "spec", "template", template))
    assert _names(after) == ["A"]
    assert FOREIGN not in {e["manager"] for e in after["metadata"]["managedFields"]}


async def check_status_apply_has_an_entry_of_its_own(on: Ground) -> None:
    first = await on.cluster.create(samples.resource(on.resource, on.namespace, "status-owner"))
    after = await _apply_status(on, first, {"phase": "Pending"})
    assert (MANAGER, "Apply", "status") in _who(after)
    assert (MANAGER, "Update", "") in _who(after)
    assert after["metadata"]["generation"] == first["metadata"]["generation"]


async def check_defaults_are_owned_by_who_created(on: Ground) -> None:
    first = await on.cluster.create(samples.resource(on.resource, on.namespace, "unowned"))
    assert first["spec"]["replicas"] == 3
    assert _owners(first, "f:spec", "f:replicas") == {(MANAGER, "Update", "")}


# --- status of the resource -------------------------------------------------------------------------------------------
async def check_stale_status_conflicts(on: Ground) -> None:
    first = await on.cluster.create(samples.resource(on.resource, on.namespace, "stale-status"))
    await on.foreign.merge(on.resource, on.namespace, "stale-status", _annotation("a"))
    with pytest.raises(Conflict):
        await _apply_status(on, first, {"phase": "Pending"})


async def check_the_version_alone_fences_a_status(on: Ground) -> None:
    """No two objects ever have the same version; a UID that does not fit is not looked at."""
    first = await on.cluster.create(samples.resource(on.resource, on.namespace, "ghost-status"))
    ghost = _with(first, "metadata", "uid", GHOST)
    after = await _apply_status(on, ghost, {"phase": "Pending"})
    assert _uid(after) == _uid(first)


async def check_status_of_nothing_is_not_found_or_refused(on: Ground) -> None:
    with pytest.raises((NotFound, Conflict)):
        await on.cluster.apply_status(on.namespace, "never", GHOST, {"phase": "Pending"}, version="1")


async def check_status_apply_replaces_our_part(on: Ground) -> None:
    first = await on.cluster.create(samples.resource(on.resource, on.namespace, "our-part"))
    one = await _apply_status(on, first, {"phase": "Pending", "message": "one", "rejected": []})
    assert one["status"]["message"] == "one"
    assert one["status"]["rejected"] == []
    two = await _apply_status(on, one, {"phase": "Pending"})
    assert "rejected" not in two["status"]
    assert two["status"]["message"] == ""  # the default of what nobody gives any more


async def check_undeclared_status_fields_break_an_apply(on: Ground) -> None:
    first = await on.cluster.create(samples.resource(on.resource, on.namespace, "undeclared"))
    with pytest.raises(Unavailable, match="field not declared in schema") as caught:
        await _apply_status(on, first, {"phase": "Pending", "newer": 1})
    assert caught.value.status == 500


async def check_undeclared_status_fields_are_named(on: Ground) -> None:
    """Some of them, each time: so the operator learns what has no place where it cannot read the schema."""
    first = await on.cluster.create(samples.resource(on.resource, on.namespace, "undeclared-all"))
    status = {
        "phase": "Pending",
        "newer": 1,
        "stable": STABLE | {"newer": 1},
        "history": [HISTORY | {"newer": 1}],
        "tokens": {"newer": "x"},
    }
    with pytest.raises(Unavailable) as caught:
        await _apply_status(on, first, status)
    named = set(re.findall(r"(\S+): field not declared in schema", caught.value.message))
    wrong = {".status.newer", ".status.stable.newer", ".status.history[0].newer", ".status.tokens.newer"}
    assert named
    assert named <= wrong


async def check_the_schema_is_published(on: Ground) -> None:
    schema = await on.cluster.schema(on.resource)
    status = schema["properties"]["status"]["properties"]
    assert "Ready" in status["phase"]["enum"]
    assert status["message"]["maxLength"] == 1024
    assert status["history"]["maxItems"] == 20
    assert set(status["stable"]["required"]) == {"revision", "image", "since"}
    assert status["secrets"]["properties"]["digests"]["additionalProperties"]["type"] == "string"


async def check_all_of_a_declared_status_comes_back(on: Ground) -> None:
    first = await on.cluster.create(samples.resource(on.resource, on.namespace, "whole"))
    status = {"phase": "Pending", "stable": STABLE, "history": [HISTORY], "candidate": CANDIDATE}
    after = await _apply_status(on, first, status)
    assert list(dropped(status, after["status"])) == []


async def check_bounds_of_the_status_are_kept(on: Ground) -> None:
    first = await on.cluster.create(samples.resource(on.resource, on.namespace, "bounds"))
    for status, answer in (
        ({"message": "x" * 1025}, r"status\.message: Too long"),
        ({"history": [HISTORY] * 21}, r"status\.history: Too many"),
        ({"candidate": CANDIDATE | {"step": "Apparating"}}, r"status\.candidate\.step: Unsupported value"),
    ):
        with pytest.raises(Refused, match=answer) as caught:
            await _apply_status(on, first, status)
        assert caught.value.status == 422


async def check_a_part_goes_with_the_defaults_that_nobody_owns(on: Ground) -> None:
    """Else a newer definition's defaults would stay behind, without what the part needs, and every apply would fail."""
    first = await on.cluster.create(samples.resource(on.resource, on.namespace, "leftovers"))
    one = await _apply_status(on, first, {"phase": "Pending", "candidate": CANDIDATE})
    assert one["status"]["candidate"]["canaryStep"] == 0
    assert one["status"]["candidate"]["memory"]["progress"]["heldSeconds"] == 0
    two = await _apply_status(on, one, {"phase": "Pending"})
    assert "candidate" not in two["status"]


async def check_what_someone_else_wrote_too_outlives_an_apply(on: Ground) -> None:
    """Of a part that is given no more, what another manager has written stays, without what the part needs."""
    first = await on.cluster.create(samples.resource(on.resource, on.namespace, "co-owned"))
    one = await _apply_status(on, first, {"phase": "Pending", "candidate": CANDIDATE})
    other = {
        **one["status"],
        "candidate": {**one["status"]["candidate"], "image": "registry.example/other:1"},
    }
    two = await _replace_status(on, on.foreign, one, other)
    with pytest.raises(Refused, match="Required value") as caught:
        await _apply_status(on, two, {"phase": "Pending"})
    assert caught.value.status == 422
    three = await _replace_status(on, on.cluster, two, {"phase": "Pending"})
    assert "candidate" not in three["status"]
    four = await _apply_status(on, three, {"phase": "Pending", "message": "again"})
    assert "candidate" not in four["status"]


async def check_a_replaced_status_is_fenced(on: Ground) -> None:
    first = await on.cluster.create(samples.resource(on.resource, on.namespace, "fenced-status"))
    await on.foreign.merge(on.resource, on.namespace, "fenced-status", _annotation("a"))
    with pytest.raises(Conflict):
        await _replace_status(on, on.cluster, first, {"phase": "Pending"})


async def check_a_template_without_what_containers_need_is_refused(on: Ground) -> None:
    stored = await on.cluster.create(samples.deployment(on.namespace, "bare"))
    del stored["metadata"]["resourceVersion"]  # its controller may write meanwhile
    for part in ("name", "image"):
        body = deepcopy(stored)
        del body["spec"]["template"]["spec"]["containers"][0][part]
        with pytest.raises(Refused, match=rf"containers\[0\]\.{part}: Required value"):
            await on.cluster.replace(body)
    body = deepcopy(stored)
    body["spec"]["template"]["spec"]["containers"] = []
    with pytest.raises(Refused, match=r"spec\.template\.spec\.containers: Required value"):
        await on.cluster.replace(body)


async def check_unknown_phase_is_refused(on: Ground) -> None:
    first = await on.cluster.create(samples.resource(on.resource, on.namespace, "bad-phase"))
    with pytest.raises(Refused, match="Unsupported value") as caught:
        await _apply_status(on, first, {"phase": "Enchanted"})
    assert caught.value.status == 422


async def check_a_moment_that_is_none_is_refused(on: Ground) -> None:
    first = await on.cluster.create(samples.resource(on.resource, on.namespace, "bad-moment"))
    moment = {"type": "Ready", "status": "True", "reason": "A", "message": "", "lastTransitionTime": "soon"}
    with pytest.raises(Refused, match='must be of type date-time: "soon"') as caught:
        await _apply_status(on, first, {"phase": "Pending", "conditions": [moment]})
    assert caught.value.status == 422


async def check_undeclared_fields_are_pruned_by_a_merge(on: Ground) -> None:
    await on.cluster.create(samples.resource(on.resource, on.namespace, "pruned"))
    after = await on.foreign.merge(on.resource, on.namespace, "pruned", {"spec": {"newer": 1}})
    assert "newer" not in after["spec"]


async def check_merges_leave_the_status_alone(on: Ground) -> None:
    first = await on.cluster.create(samples.resource(on.resource, on.namespace, "halves"))
    once = await _apply_status(on, first, {"phase": "Pending"})
    after = await on.foreign.merge(on.resource, on.namespace, "halves", {"status": {"phase": "Ready"}})
    assert after["status"] == once["status"]


async def check_crds_are_replaced_with_their_version_only(on: Ground) -> None:
    first = await on.cluster.create(samples.resource(on.resource, on.namespace, "versionless"))
    del first["metadata"]["resourceVersion"]
    with pytest.raises(Refused, match="must be specified for an update"):
        await on.cluster.replace(first)


# --- dry runs ---------------------------------------------------------------------------------------------------------
async def check_dry_runs_keep_nothing(on: Ground) -> None:
    made = await on.cluster.create(samples.service(on.namespace, "dry"), dry_run=True)
    assert made["spec"]["sessionAffinity"] == "None"
    assert await on.cluster.get(SERVICE, on.namespace, "dry") is None
    first = await on.cluster.create(samples.service(on.namespace, "dry"))
    changed = await on.cluster.replace(_with(first, "spec", "sessionAffinity", "ClientIP"), dry_run=True)
    assert changed["spec"]["sessionAffinity"] == "ClientIP"
    assert await on.cluster.get(SERVICE, on.namespace, "dry") == first


async def check_dry_runs_are_checked(on: Ground) -> None:
    first = await on.cluster.create(samples.service(on.namespace, "dry-checked"))
    with pytest.raises(Refused):
        await on.cluster.replace(_with(first, "spec", "ports", []), dry_run=True)
    with pytest.raises(Conflict):
        await on.cluster.create(samples.service(on.namespace, "dry-checked"), dry_run=True)


async def check_quotas_refuse_and_dry_runs_reserve_nothing(on: Ground) -> None:
    await on.quota("one-ingress", {"count/ingresses.networking.k8s.io": "1"})
    try:
        await on.cluster.create(samples.ingress(on.namespace, "quota-a"), dry_run=True)
        await on.cluster.create(samples.ingress(on.namespace, "quota-a"))
        # The name of the first one is taken; that is looked up only after admission.
        for name, dry_run in itertools.product(("quota-a", "quota-b"), (True, False)):
            with pytest.raises(
                Refused, match="exceeded quota: one-ingress, requested: count/ingresses"
            ) as caught:
                await on.cluster.create(samples.ingress(on.namespace, name), dry_run=dry_run)
            assert caught.value.status == 403
    finally:
        await on.no_quota("one-ingress")


# --- Services ---------------------------------------------------------------------------------------------------------
async def check_a_put_without_addresses_keeps_them(on: Ground) -> None:
    manifest = samples.service(on.namespace, "addresses", kind="LoadBalancer")
    await on.cluster.create(manifest)
    first = await _settled(on, SERVICE, "addresses")
    bare = copied(manifest)
    bare["metadata"] |= {k: first["metadata"][k] for k in ("uid", "resourceVersion")}
    bare["spec"]["ports"][0]["port"] = 8080
    after = await on.cluster.replace(bare)
    assert after["spec"]["ports"][0]["nodePort"] == first["spec"]["ports"][0]["nodePort"]
    assert after["spec"]["ports"][0]["port"] == 8080
    for part in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"):
        assert after["spec"][part] == first["spec"][part]


async def check_another_type_drops_what_it_has_no_use_for(on: Ground) -> None:
    first = await on.cluster.create(samples.service(on.namespace, "retyped", kind="NodePort"))
    assert first["spec"]["externalTrafficPolicy"] == "Cluster"
    after = await on.cluster.replace(_with(first, "spec", "type", "ClusterIP"))
    assert "nodePort" not in after["spec"]["ports"][0]
    assert "externalTrafficPolicy" not in after["spec"]
    assert after["spec"]["clusterIP"] == first["spec"]["clusterIP"]


async def check_services_need_ports_of_different_names_and_numbers(on: Ground) -> None:
    http = {"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP"}
    for ports, message in (
        ([], "spec.ports: Required value"),
        ([http, http | {"port": 81}], "Duplicate value"),
        ([http, http | {"name": "other"}], "Duplicate value"),
    ):
        manifest = samples.service(on.namespace, "ports")
        manifest["spec"]["ports"] = ports
        with pytest.raises(Refused, match=message) as caught:
            await on.cluster.create(manifest)
        assert caught.value.status == 422


# --- defaults: what is compared exactly -------------------------------------------------------------------------------
async def check_stored_forms(on: Ground) -> None:
    """The whole spec of every kind that the operator seals, as it is stored."""
    for manifest, stored in samples.stored_forms(on.namespace):
        made = await on.cluster.create(manifest, dry_run=True)
        found = copied(
            {k: v for k, v in made.items() if k not in ("metadata", "status", "apiVersion", "kind")}
        )
        for allocated in ("clusterIP", "clusterIPs"):
            found.get("spec", {}).pop(allocated, None)
        for port in found.get("spec", {}).get("ports", ()):
            port.pop("nodePort", None)
        assert found == stored, manifest["kind"]


async def check_secrets_are_stored_encoded(on: Ground) -> None:
    made = await on.cluster.create(samples.secret(on.namespace, "encoded"))
    assert made["data"] == {"a": "Yg=="}
    assert "stringData" not in made
    assert made["type"] == "Opaque"


# --- immutable things -------------------------------------------------------------------------------------------------
async def check_deployment_selectors_are_immutable(on: Ground) -> None:
    first = await on.cluster.create(samples.deployment(on.namespace, "fixed", replicas=0))
    first = await _settled(on, DEPLOYMENT, "fixed")
    first["spec"]["template"]["metadata"]["labels"]["more"] = "x"
    first["spec"]["selector"]["matchLabels"]["more"] = "x"
    with pytest.raises(Refused, match="field is immutable"):
        await on.cluster.replace(first)


async def check_template_labels_match_the_selector(on: Ground) -> None:
    manifest = samples.deployment(on.namespace, "mismatch")
    manifest["spec"]["template"]["metadata"]["labels"] = {"other": "x"}
    with pytest.raises(Refused, match="does not match template"):
        await on.cluster.create(manifest)


async def check_job_templates_are_immutable(on: Ground) -> None:
    await on.cluster.create(samples.job(on.namespace, "fixed-job", suspend=True))
    first = await _settled(on, JOB, "fixed-job")
    assert first["spec"]["template"]["metadata"]["labels"]["batch.kubernetes.io/job-name"] == "fixed-job"
    first["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "X", "value": "y"}]
    with pytest.raises(Refused, match="field is immutable"):
        await on.cluster.replace(first)


async def check_records_are_immutable(on: Ground) -> None:
    first = await on.cluster.create(samples.controller_revision(on.namespace, "fixed-record"))
    with pytest.raises(Refused):
        await on.cluster.replace(_with(first, "data", "image", "other"))
    first["metadata"]["annotations"] = {"contract": "a"}
    after = await on.cluster.replace(first)
    assert after["data"] == first["data"]


async def check_records_are_compared_byte_by_byte(on: Ground) -> None:
    """A patch writes `data` compact and with sorted keys, which is not how it was sent: refused, whatever it changes."""
    first = await on.cluster.create(samples.controller_revision(on.namespace, "bytes"))
    with pytest.raises(Refused, match="field is immutable"):
        await on.cluster.merge(CONTROLLER_REVISION, on.namespace, "bytes", _annotation("a"))
    first["metadata"]["annotations"] = {"contract": "a"}
    first["data"] = dict(reversed(list(first["data"].items())))
    with pytest.raises(Refused, match="field is immutable"):
        await on.cluster.replace(first)


async def check_immutable_config_maps_stay(on: Ground) -> None:
    first = await on.cluster.create(samples.config_map(on.namespace, "fixed-map", immutable=True))
    with pytest.raises(Refused, match="field is immutable when `immutable` is set"):
        await on.cluster.replace(_with(first, "data", "a", "other"))
    await on.cluster.merge(CONFIG_MAP, on.namespace, "fixed-map", _annotation("a"))


async def check_stateful_set_claims_are_immutable(on: Ground) -> None:
    first = await on.cluster.create(samples.stateful_set(on.namespace, "fixed-set", replicas=0))
    first = await _settled(on, STATEFUL_SET, "fixed-set")
    with pytest.raises(Refused, match="updates to statefulset spec for fields other than"):
        await on.cluster.replace(_with(first, "spec", "serviceName", "other"))


async def check_applied_records_are_patched_and_not_put(on: Ground) -> None:
    """The other way round: what an apply has written survives patches, and no PUT of a client that spells it otherwise."""
    manifest = samples.controller_revision(on.namespace, "applied")
    first = await on.cluster.apply(manifest)
    assert (MANAGER, "Apply", "") in _who(first)
    after = await on.cluster.merge(CONTROLLER_REVISION, on.namespace, "applied", _annotation("a"))
    assert after["data"] == first["data"]
    assert await on.cluster.apply(manifest) == after
    after["metadata"]["annotations"] = {"contract": "b"}
    with pytest.raises(Refused, match="field is immutable"):
        await on.cluster.replace(after)
    manifest["metadata"]["labels"] = {"ours": "yes"}
    labelled = await on.cluster.apply(manifest)
    assert labelled["metadata"]["labels"] == {"ours": "yes"}
    assert labelled["metadata"]["annotations"] == {"contract": "a"}
    del manifest["metadata"]["labels"]
    assert "labels" not in (await on.cluster.apply(manifest))["metadata"]


# --- lists and watches ------------------------------------------------------------------------------------------------
async def check_lists_select_by_label(on: Ground) -> None:
    for name in ("labelled-a", "labelled-b", "labelled-c"):
        manifest = samples.config_map(on.namespace, name)
        manifest["metadata"]["labels"] = {"set": name[-1], "app": "labelled"}
        await on.cluster.create(manifest)
    found = await on.cluster.list(CONFIG_MAP, on.namespace, "app=labelled,set!=b")
    assert [o["metadata"]["name"] for o in found.items] == ["labelled-a", "labelled-c"]
    assert {o["kind"] for o in found.items} == {"ConfigMap"}


async def check_lists_select_by_field(on: Ground) -> None:
    await on.cluster.create(samples.service_account(on.namespace, "field-a"))
    found = await on.cluster.list(SERVICE_ACCOUNT, on.namespace, fields="metadata.name=field-a")
    assert [o["metadata"]["name"] for o in found.items] == ["field-a"]


async def check_pages_have_the_version_of_the_whole_list(on: Ground) -> None:
    await on.cluster.create(samples.secret(on.namespace, "page"))
    pages = [page async for page in on.cluster.pages(SECRET, on.namespace)]
    assert {p.resource_version for p in pages} == {pages[0].resource_version}
    assert "page" in {o["metadata"]["name"] for p in pages for o in p.items}


async def check_watches_deliver_what_happens(on: Ground) -> None:
    manifest = samples.config_map(on.namespace, "watched")
    manifest["metadata"]["labels"] = {"watch": "me"}
    first = await on.cluster.create(manifest)
    second = await on.cluster.merge(CONFIG_MAP, on.namespace, "watched", _annotation("a"))
    await on.cluster.delete(CONFIG_MAP, on.namespace, "watched", _uid(first))
    events = await on.watched(CONFIG_MAP, "watch=me", _version(first) - 1)
    assert [kind for kind, _ in events] == ["ADDED", "MODIFIED", "DELETED"]
    assert [o for _, o in events[:2]] == [first, second]
    gone = events[2][1]
    assert _version(gone) > _version(second)
    assert gone["metadata"]["annotations"] == second["metadata"]["annotations"]


async def check_a_lost_label_looks_like_a_deletion(on: Ground) -> None:
    manifest = samples.config_map(on.namespace, "unlabelled")
    manifest["metadata"]["labels"] = {"watch": "blip"}
    first = await on.cluster.create(manifest)
    without = await on.foreign.merge(
        CONFIG_MAP, on.namespace, "unlabelled", {"metadata": {"labels": {"watch": None}}}
    )
    again = await on.foreign.merge(
        CONFIG_MAP, on.namespace, "unlabelled", {"metadata": {"labels": {"watch": "blip"}}}
    )
    events = await on.watched(CONFIG_MAP, "watch=blip", _version(first))
    assert [kind for kind, _ in events] == ["DELETED", "ADDED"]
    assert events[0][1]["metadata"]["labels"] == {"watch": "blip"}
    assert _version(events[0][1]) == _version(without)
    assert "deletionTimestamp" not in events[0][1]["metadata"]
    assert events[1][1] == again


async def check_a_write_without_change_is_not_delivered(on: Ground) -> None:
    first = await on.cluster.create(samples.config_map(on.namespace, "silent"))
    await on.cluster.replace(first)
    await on.foreign.merge(CONFIG_MAP, on.namespace, "silent", {"data": {"a": "b"}})
    events = await on.watched(CONFIG_MAP, "", _version(first))
    assert [o for _, o in events if o["metadata"]["name"] == "silent"] == []


# --- owners -----------------------------------------------------------------------------------------------------------
async def check_dependants_go_in_the_background(on: Ground) -> None:
    owner = await on.cluster.create(samples.config_map(on.namespace, "owner"))
    child = samples.config_map(on.namespace, "dependant")
    child["metadata"]["ownerReferences"] = [samples.reference(owner)]
    await on.cluster.create(child)
    await on.cluster.delete(CONFIG_MAP, on.namespace, "owner", _uid(owner))
    await on.until(lambda: _gone(on, CONFIG_MAP, "dependant"), "the dependant is gone")


async def check_what_is_made_for_a_dead_owner_goes(on: Ground) -> None:
    owner = await on.cluster.create(samples.config_map(on.namespace, "dead-owner"))
    await on.cluster.delete(CONFIG_MAP, on.namespace, "dead-owner", _uid(owner))
    child = samples.config_map(on.namespace, "late")
    child["metadata"]["ownerReferences"] = [samples.reference(owner)]
    await on.cluster.create(child)
    await on.until(lambda: _gone(on, CONFIG_MAP, "late"), "the late dependant is gone")


async def check_orphans_stay_without_their_owner(on: Ground) -> None:
    owner = await on.cluster.create(samples.config_map(on.namespace, "parent"))
    child = samples.config_map(on.namespace, "orphan")
    child["metadata"]["ownerReferences"] = [samples.reference(owner)]
    await on.cluster.create(child)
    await on.orphan(CONFIG_MAP, "parent")

    async def free() -> bool:
        found = await on.cluster.get(CONFIG_MAP, on.namespace, "orphan")
        return found is not None and "ownerReferences" not in found["metadata"]

    await on.until(free, "the orphan has no owner")
    assert await on.cluster.get(CONFIG_MAP, on.namespace, "parent") is None


async def check_there_is_no_writing_outside_namespaces(on: Ground) -> None:
    with pytest.raises(NotFound):
        await on.cluster.create(samples.config_map("no-such-namespace", "lost"))


async def check_other_kinds_take_a_put(on: Ground) -> None:
    """Sealed parts are replaced whole, whatever anyone added."""
    for kind, manifest, path, value in (
        (NETWORK_POLICY, samples.network_policy(on.namespace, "sealed"), "egress", [{}]),
        (INGRESS, samples.ingress(on.namespace, "sealed"), "ingressClassName", "other"),
        (AUTOSCALER, samples.autoscaler(on.namespace, "sealed"), "maxReplicas", 9),
        (DISRUPTION_BUDGET, samples.disruption_budget(on.namespace, "sealed"), "maxUnavailable", 2),
    ):
        first = await on.cluster.create(manifest)
        changed = await on.foreign.merge(kind, on.namespace, "sealed", {"spec": {path: value}})
        assert changed["spec"] != first["spec"]

        async def put_back(kind: Kind = kind, first: Manifest = first) -> bool:
            current = await _get(on, kind, "sealed")
            current["spec"] = first["spec"]
            try:
                after = await on.cluster.replace(current)
            except Conflict:
                return False  # a controller has written the status meanwhile
            assert after["spec"] == first["spec"]
            return True

        await on.until(put_back, f"{kind.kind} is as before")
        await on.cluster.delete(kind, on.namespace, "sealed", _uid(first))


# --- controllers ------------------------------------------------------------------------------------------------------
async def check_deployments_make_pods_through_replica_sets(on: Ground) -> None:
    deployment = await on.cluster.create(samples.deployment(on.namespace, "chain", replicas=1))
    [pod] = await _pods(on, "chain", 1)
    [replica_set] = (await on.cluster.list(REPLICA_SET, on.namespace, "app=chain")).items
    assert _controller(replica_set)["uid"] == _uid(deployment)
    assert _controller(pod)["uid"] == _uid(replica_set)
    hashed = pod["metadata"]["labels"]["pod-template-hash"]
    assert replica_set["metadata"]["name"] == f"chain-{hashed}"
    assert replica_set["spec"]["selector"]["matchLabels"] == {"app": "chain", "pod-template-hash": hashed}
    assert pod["metadata"]["name"].startswith(f"chain-{hashed}-")
    await _scale(on, "chain", 0)
    await _pods(on, "chain", 0)


async def check_orphans_are_adopted(on: Ground) -> None:
    await on.cluster.create(samples.deployment(on.namespace, "adopter", replicas=0))
    await _settled(on, DEPLOYMENT, "adopter")
    await on.orphan(DEPLOYMENT, "adopter")
    [orphan] = (await on.cluster.list(REPLICA_SET, on.namespace, "app=adopter")).items
    assert "ownerReferences" not in orphan["metadata"]
    again = await on.cluster.create(samples.deployment(on.namespace, "adopter", replicas=0))

    async def adopted() -> bool:
        found = (await on.cluster.list(REPLICA_SET, on.namespace, "app=adopter")).items
        return [_controller(s).get("uid") for s in found] == [_uid(again)]

    await on.until(adopted, "the ReplicaSet has its new owner")


async def check_a_deployment_that_has_lost_its_replica_set_makes_another(on: Ground) -> None:
    """One with the name of the first, which is still there, cannot be made: another hash is tried."""
    deployment = await on.cluster.create(samples.deployment(on.namespace, "loser", replicas=0))
    await _settled(on, DEPLOYMENT, "loser")
    [lost] = (await on.cluster.list(REPLICA_SET, on.namespace, "app=loser")).items
    other = {"metadata": {"labels": {"app": "finder"}}}
    await on.cluster.merge(REPLICA_SET, on.namespace, lost["metadata"]["name"], other)

    async def another() -> bool:
        found = (await on.cluster.list(REPLICA_SET, on.namespace, "app=loser")).items
        return [_controller(s).get("uid") for s in found] == [_uid(deployment)]

    await on.until(another, "it has another ReplicaSet")
    [kept] = (await on.cluster.list(REPLICA_SET, on.namespace, "app=finder")).items
    assert _uid(kept) == _uid(lost)
    assert "ownerReferences" not in kept["metadata"]


async def check_refused_pods_show_in_the_deployment(on: Ground) -> None:
    await on.quota("no-pods", {"pods": "0"})
    try:
        await on.cluster.create(samples.deployment(on.namespace, "refused", replicas=1))

        async def reported() -> bool:
            conditions = ((await _get(on, DEPLOYMENT, "refused")).get("status") or {}).get("conditions") or ()
            return any(
                c["type"] == "ReplicaFailure"
                and c["status"] == "True"
                and "exceeded quota: no-pods" in c["message"]
                for c in conditions
            )

        await on.until(reported, "the Deployment says why it has no pods")
    finally:
        await on.no_quota("no-pods")
        await _scale(on, "refused", 0)


async def check_a_stateful_set_does_not_heal_itself(on: Ground) -> None:
    """kubernetes#67250: a pod that never was ready blocks the template that would mend it."""
    await on.cluster.create(samples.stateful_set(on.namespace, "stuck", replicas=1))
    [pod] = await _pods(on, "stuck", 1)
    image = [{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "other:1"}]
    await on.foreign.patch(STATEFUL_SET, on.namespace, "stuck", image)
    changed = await _settled(on, STATEFUL_SET, "stuck")
    assert changed["status"]["updateRevision"] != changed["status"]["currentRevision"]
    assert [_uid(p) for p in await _pods(on, "stuck", 1)] == [_uid(pod)]
    await on.cluster.delete(POD, on.namespace, "stuck-0", _uid(pod))

    async def healed() -> bool:
        found = await on.cluster.get(POD, on.namespace, "stuck-0")
        return found is not None and found["spec"]["containers"][0]["image"] == "other:1"

    await on.until(healed, "its next pod has the new image")
    await on.foreign.merge(STATEFUL_SET, on.namespace, "stuck", {"spec": {"replicas": 0}})


async def check_stateful_sets_keep_records_with_the_labels_of_their_pods(on: Ground) -> None:
    wanted = await on.cluster.create(samples.stateful_set(on.namespace, "recorded"))
    await _settled(on, STATEFUL_SET, "recorded")
    [record] = (await on.cluster.list(CONTROLLER_REVISION, on.namespace, "app=recorded")).items
    assert _controller(record)["uid"] == _uid(wanted)


async def check_endpoint_slices_belong_to_their_service(on: Ground) -> None:
    manifest = samples.service(on.namespace, "sliced")
    manifest["metadata"]["labels"] = {"ours": "yes"}
    service = await on.cluster.create(manifest)

    async def there() -> bool:
        return bool((await on.cluster.list(ENDPOINT_SLICE, on.namespace, "ours=yes")).items)

    await on.until(there, "there is an EndpointSlice")
    [found] = (await on.cluster.list(ENDPOINT_SLICE, on.namespace, "ours=yes")).items
    assert found["metadata"]["labels"]["kubernetes.io/service-name"] == "sliced"
    assert _controller(found)["uid"] == _uid(service)


async def check_a_service_that_is_held_in_its_deletion_is_followed(on: Ground) -> None:
    """Users go where it says until its finalizers let it go."""
    manifest = samples.service(on.namespace, "held")
    manifest["metadata"] |= {"labels": {"followed": "before"}, "finalizers": ["example.com/hold"]}
    service = await on.cluster.create(manifest)

    async def followed(value: str) -> bool:
        return bool((await on.cluster.list(ENDPOINT_SLICE, on.namespace, f"followed={value}")).items)

    await on.until(lambda: followed("before"), "there is an EndpointSlice")
    await on.cluster.delete(SERVICE, on.namespace, "held", _uid(service))
    leaving = await _get(on, SERVICE, "held")
    assert "deletionTimestamp" in leaving["metadata"]
    await on.cluster.patch(SERVICE, on.namespace, "held", _route(leaving, {"app": "elsewhere"}))
    await on.foreign.merge(SERVICE, on.namespace, "held", {"metadata": {"labels": {"followed": "after"}}})
    await on.until(lambda: followed("after"), "the EndpointSlice follows")
    await on.foreign.merge(SERVICE, on.namespace, "held", {"metadata": {"finalizers": None}})
    await on.until(lambda: _gone(on, SERVICE, "held"), "the Service is gone")


async def check_slices_of_an_earlier_service_go(on: Ground) -> None:
    """One that was deleted with `--cascade=orphan` leaves its EndpointSlices, under the name that the next one has. (Only one
    without endpoints stays, where the next has none either, and the same labels.)"""
    await on.cluster.create(samples.service(on.namespace, "again"))
    label = "kubernetes.io/service-name=again"

    async def owners() -> list[str]:
        found = (await on.cluster.list(ENDPOINT_SLICE, on.namespace, label)).items
        return [_controller(s).get("uid", "") if "ownerReferences" in s["metadata"] else "" for s in found]

    async def there() -> bool:
        return bool(await owners())

    await on.until(there, "there is an EndpointSlice")
    await on.orphan(SERVICE, "again")
    manifest = samples.service(on.namespace, "again")
    manifest["metadata"]["labels"] = {"life": "second"}
    service = await on.cluster.create(manifest)

    async def of_this_one() -> bool:
        return await owners() == [_uid(service)]

    await on.until(of_this_one, "only its own EndpointSlice is left")


async def check_jobs_end_at_their_deadline(on: Ground) -> None:
    manifest = samples.job(on.namespace, "late-job")
    manifest["spec"]["activeDeadlineSeconds"] = 1
    await on.cluster.create(manifest)

    async def failed() -> bool:
        conditions = ((await _get(on, JOB, "late-job")).get("status") or {}).get("conditions") or ()
        return any(c["type"] == "Failed" and c["reason"] == "DeadlineExceeded" for c in conditions)

    await on.until(failed, "the Job has failed")


async def check_a_job_whose_pod_is_deleted_has_failed(on: Ground) -> None:
    """By no deadline."""
    await on.cluster.create(samples.job(on.namespace, "robbed-job"))

    async def pods() -> list[Manifest]:
        listing = await on.cluster.list(POD, on.namespace, "batch.kubernetes.io/job-name=robbed-job")
        return list(listing.items)

    async def made() -> bool:
        status = (await _get(on, JOB, "robbed-job")).get("status") or {}
        return bool(status.get("active")) and len(await pods()) == 1

    async def failed() -> bool:
        conditions = ((await _get(on, JOB, "robbed-job")).get("status") or {}).get("conditions") or ()
        return any(c["type"] == "Failed" and c["reason"] == "BackoffLimitExceeded" for c in conditions)

    await on.until(made, "the pod is counted")
    [pod] = await pods()
    await on.cluster.delete(POD, on.namespace, pod["metadata"]["name"], _uid(pod))
    await on.until(failed, "the Job has failed")


# --- how they look ----------------------------------------------------------------------------------------------------
async def check_what_is_not_allowed_is_refused_in_these_words(on: Ground) -> None:
    """The tests of the shipped roles read these sentences, and so do people."""
    who, there = on.powerless, on.namespace
    config_map = samples.config_map(there, "forbidden")
    deployment = samples.deployment(there, "forbidden")
    await on.cluster.create(config_map)
    seen = await on.cluster.create(deployment)
    calls: list[tuple[str, Kind, str, Callable[[], Awaitable[object]]]] = [
        ("get", CONFIG_MAP, "forbidden", lambda: who.get(CONFIG_MAP, there, "forbidden")),
        ("get", CONFIG_MAP, "absent", lambda: who.get(CONFIG_MAP, there, "absent")),
        ("get", NODE, "absent", lambda: who.get(NODE, None, "absent")),
        ("get", POD, "absent", lambda: who.logs(there, "absent", "api", 1, False)),
        ("list", POD, "", lambda: who.list(POD, there)),
        ("list", DEPLOYMENT, "", lambda: who.list(DEPLOYMENT, None)),
        ("create", CONFIG_MAP, "", lambda: who.create(samples.config_map(there, "another"))),
        ("update", DEPLOYMENT, "forbidden", lambda: who.replace(seen)),
        ("patch", CONFIG_MAP, "forbidden", lambda: who.merge(CONFIG_MAP, there, "forbidden", {"data": {}})),
        ("patch", CONFIG_MAP, "forbidden", lambda: who.apply(config_map)),
        ("patch", DEPLOYMENT, "forbidden", lambda: who.scale(DEPLOYMENT, there, "forbidden", 0, uid=_uid(seen), version="1")),
        ("delete", CONFIG_MAP, "forbidden", lambda: who.delete(CONFIG_MAP, there, "forbidden", GHOST)),
    ]  # fmt: skip
    for number, (verb, kind, name, call) in enumerate(calls):
        with pytest.raises(Refused) as caught:
            await call()
        assert caught.value.status == 403
        subresource = {3: "/log", 10: "/scale"}.get(number, "")
        named = f' "{name}"' if name else ""
        everywhere = kind is NODE or (verb == "list" and kind is DEPLOYMENT)
        where = "at the cluster scope" if everywhere else f'in the namespace "{there}"'
        plural = f"{kind.plural}.{kind.group}" if kind.group else kind.plural
        _, _, sentence = caught.value.message.partition(": ")
        assert sentence == (
            f'{plural}{named} is forbidden: User "{POWERLESS}" cannot {verb} resource '
            f'"{kind.plural}{subresource}" in API group "{kind.group}" {where}'
        ), number


def _version(obj: Manifest) -> int:
    return int(obj["metadata"]["resourceVersion"])


def _uid(obj: Manifest) -> str:
    return str(obj["metadata"]["uid"])


def _annotation(value: str) -> Manifest:
    return {"metadata": {"annotations": {"contract": value}}}


def _with_volume(deployment: Manifest, volume: Manifest) -> Manifest:
    changed: Manifest = copied(deployment)
    changed["spec"]["template"]["spec"]["volumes"] = [volume]
    return changed


def _with(obj: Manifest, part: str, key: str, value: Any) -> Manifest:
    changed: Manifest = copied(obj)
    changed[part][key] = value
    return changed


def _route(seen: Manifest, selector: Manifest) -> list[Manifest]:
    return [
        {"op": "replace", "path": "/metadata/resourceVersion", "value": seen["metadata"]["resourceVersion"]},
        {"op": "replace", "path": "/spec/selector", "value": selector},
    ]


def _who(obj: Manifest) -> set[tuple[str, str, str]]:
    entries = obj["metadata"]["managedFields"]
    return {(e["manager"], e["operation"], e.get("subresource", "")) for e in entries}


def _owners(obj: Manifest, *path: str) -> set[tuple[str, str, str]]:
    found = set()
    for entry in obj["metadata"]["managedFields"]:
        node = entry["fieldsV1"]
        for part in path:
            node = node.get(part) if node is not None else None
        if node is not None:
            found.add((entry["manager"], entry["operation"], entry.get("subresource", "")))
    return found


def _names(deployment: Manifest) -> list[str]:
    return [e["name"] for e in deployment["spec"]["template"]["spec"]["containers"][0]["env"]]


async def _get(on: Ground, kind: Kind, name: str) -> Manifest:
    found = await on.cluster.get(kind, on.namespace, name)
    assert found is not None
    return found


def _controller(obj: Manifest) -> Manifest:
    refs = obj["metadata"].get("ownerReferences") or ()
    return next((r for r in refs if r.get("controller")), {})


async def _pods(on: Ground, app: str, count: int) -> list[Manifest]:
    """Its living pods, once there are so many."""
    found: list[Manifest] = []

    async def enough() -> bool:
        items = (await on.cluster.list(POD, on.namespace, f"app={app}")).items
        found[:] = [p for p in items if "deletionTimestamp" not in p["metadata"]]
        return len(found) == count

    await on.until(enough, f"{count} pods of {app}")
    return found


async def _scale(on: Ground, name: str, replicas: int) -> None:
    async def done() -> bool:
        found = await _get(on, DEPLOYMENT, name)
        fence = {"uid": _uid(found), "version": found["metadata"]["resourceVersion"]}
        try:
            await on.cluster.scale(DEPLOYMENT, on.namespace, name, replicas, **fence)
        except Conflict:
            return False  # its controller has just written the status
        return True

    await on.until(done, f"{name} is scaled")


async def _gone(on: Ground, kind: Kind, name: str) -> bool:
    return await on.cluster.get(kind, on.namespace, name) is None


async def _settled(on: Ground, kind: Kind, name: str) -> Manifest:
    """The object, once its controller has seen it: from then on only the check changes it."""
    last: list[Manifest] = []

    async def quiet() -> bool:
        found = await _get(on, kind, name)
        seen = (found.get("status") or {}).get("observedGeneration")
        same = bool(last) and last[-1] == found
        last.append(found)
        return same and (seen is None or seen == found["metadata"]["generation"])

    await on.until(quiet, f"{kind.kind} {name} is settled")
    return last[-1]


async def _apply_status(on: Ground, seen: Manifest, status: Manifest) -> Manifest:
    meta = seen["metadata"]
    return await on.cluster.apply_status(
        on.namespace, meta["name"], meta["uid"], status, version=meta["resourceVersion"]
    )


async def _replace_status(on: Ground, cluster: Cluster, seen: Manifest, status: Manifest) -> Manifest:
    meta = seen["metadata"]
    return await cluster.replace_status(on.namespace, meta["name"], status, version=meta["resourceVersion"])
