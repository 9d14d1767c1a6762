"""No value of a Secret leaves in what a pod says, in whatever form it says it."""

from __future__ import annotations

import asyncio
import base64
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from tests.unit.operator.fake.harness import NAMESPACE, Loop

from maraudersmap_operator.cluster import Cluster, Kind, Listing, Manifest, Unavailable
from maraudersmap_operator.cluster.kinds import POD, SECRET
from maraudersmap_operator.cluster.mask import Mask, forms_of, mask_of
from maraudersmap_operator.cluster.slim import slim
from maraudersmap_operator.reconcile.reading.pods import pod_facts
from maraudersmap_operator.reconcile.status import masking
from maraudersmap_operator.reconcile.status.masking import Masks, masked

PASSWORD = "swordfish/99 and more"


def secret(**values: str) -> Manifest:
    """As it was made long ago."""
    meta = {"creationTimestamp": "2025-01-01T00:00:00Z", "managedFields": [written("2025-01-01T00:00:00Z")]}
    data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
    return {"metadata": meta, "data": data}


def written(at: str, fields: str = "f:data", **more: str) -> Manifest:
    return {
        "manager": "kubectl",
        "operation": "Update",
        "time": at,
        "fieldsV1": {fields: {"f:k": {}}},
        **more,
    }


class Secrets:
    """A cluster that has Secrets only, counts how often each is read, and may refuse or hang."""

    def __init__(self, fail: Exception | None = None, hang: bool = False, **secrets: Manifest) -> None:
        self.read: list[str] = []
        self._secrets, self._fail, self._hang = secrets, fail, hang

    async def get(self, kind: Kind, namespace: str | None, name: str) -> Manifest | None:
        assert (kind, namespace) == (SECRET, "demo")
        self.read.append(name)
        if self._hang:
            await asyncio.Event().wait()
        if self._fail:
            raise self._fail
        return self._secrets.get(name)

    async def list(self, *_: Any, **__: Any) -> Listing:
        raise AssertionError("nobody lists Secrets")

    def masks(self) -> Masks:
        return Masks(cast("Cluster", self), "demo", {}, datetime.now(UTC))


def pod(
    state: dict[str, Any], last: dict[str, Any] | None = None, secrets: tuple[str, ...] = ("db",)
) -> Manifest:
    return {
        "metadata": {"uid": "u", "name": "p", "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {"secretNames": list(secrets)},
        "status": {"containerStatuses": [{"name": "api", "state": state, "lastState": last or {}}]},
    }


def ended(message: str) -> dict[str, Any]:
    return {"terminated": {"exitCode": 1, "reason": "Error", "message": message}}


def waiting(reason: str, message: str) -> dict[str, Any]:
    return {"waiting": {"reason": reason, "message": message}}


@pytest.mark.parametrize(
    ("line", "leak"),
    [
        ("cannot connect to postgresql://app:hunter2hunter2@db:5432/x", "hunter2hunter2"),
        ("redis://:hunter2hunter2@cache:6379", "hunter2hunter2"),
        ("Authorization: Bearer abcdefghijkl.mnop", "abcdefghijkl"),
        ("token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl refused", "c2lnbmF0dXJl"),
        ("DB_PASSWORD=swordfish99", "swordfish99"),
        ('{"api_key": "k-12345678"}', "k-12345678"),
    ],
)
def test_what_looks_like_a_credential_is_masked(line: str, leak: str) -> None:
    masked_line = Mask().container(line)
    assert leak not in masked_line
    assert "***" in masked_line


@pytest.mark.parametrize(
    ("value", "text", "leak"),
    [
        (PASSWORD, f"auth failed for {PASSWORD}", "swordfish"),
        (f"  {PASSWORD}\n", f"auth failed for {PASSWORD}!", "swordfish"),
        ("first line of key\nsecond line of key", "at second line of key:", "second line"),
        ("  ab\ncd\nef\n", "at ab\ncd\nef!", "ab\ncd"),
        ("postgresql://app:p%40ss%2Fword@db/x", "auth failed for p%40ss%2Fword", "p%40ss"),
        ("postgresql://app:p%40ss%2Fword@db/x", "auth failed for p@ss/word", "p@ss"),
        ("postgresql://db/x?password=sw0rdfish&sslmode=require", "auth failed for sw0rdfish", "sw0rd"),
        ('quo"ted-value', 'seen: {"v": "quo\\"ted-value"}', "ted-value"),
        (PASSWORD, f"in a manifest: {base64.b64encode(PASSWORD.encode()).decode()}", "c3dvcmRm"),
        # The kubelet keeps the last 2,048 bytes of a log: the first of them may be in the middle of a value.
        (PASSWORD, "fish/99 and more\nboom", "99 and more"),
        (PASSWORD, "boom: swordfish/9", "swordfish"),
    ],
)
def test_each_form_of_a_value_is_masked(value: str, text: str, leak: str) -> None:
    shown = mask_of(forms_of(secret(key=value))).container(text)
    assert leak not in shown
    assert "***" in shown


def test_the_rest_stays_readable() -> None:
    """Hosts, ports, messages; and a one-letter value does not blank out every such letter."""
    assert (
        Mask().container("connect to postgresql://app:x1y2z3@db:5432/x failed")
        == "connect to postgresql://app:***@db:5432/x failed"
    )
    assert mask_of(["a"]).container("ValueError: bad thing") == "ValueError: bad thing"


async def test_the_password_as_last_log_line_is_masked_in_the_termination_message() -> None:
    """With terminationMessagePolicy FallbackToLogsOnError the end of the log becomes the message."""
    cluster = Secrets(db=secret(password=PASSWORD))
    given = pod(waiting("CrashLoopBackOff", "back-off 10s"), ended(f"boom\n{PASSWORD}\n"))
    [facts] = [pod_facts(p) for p in await masked([given], cluster.masks())]
    assert [t.message for t in facts.last_terminations] == ["boom\n***\n"]
    assert facts.waiting_message == "back-off 10s"


async def test_a_hooks_output_in_a_waiting_message_is_masked() -> None:
    cluster = Secrets(db=secret(password=PASSWORD))
    given = pod(waiting("PostStartHookError", f'exited with 1: , message: "{PASSWORD}"'))
    [facts] = [pod_facts(p) for p in await masked([given], cluster.masks())]
    assert facts.waiting_message == 'exited with 1: , message: "***"'


async def test_words_on_an_image_stay_as_verdicts_need_them() -> None:
    """They look like a pair of name and secret, and quote no container."""
    words = "failed to resolve reference reg/token-api:9: reg/token-api:9: not found"
    for cluster in (Secrets(db=secret(password=PASSWORD)), Secrets()):
        given = pod(waiting("ErrImagePull", words))
        [facts] = [pod_facts(p) for p in await masked([given], cluster.masks())]
        assert facts.waiting_message == words


@pytest.mark.parametrize("cluster", [Secrets(fail=Unavailable("503")), Secrets(hang=True), Secrets()])
async def test_without_its_secret_a_containers_text_is_withheld(
    cluster: Secrets, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused, hanging, or deleted after the container had read it."""
    monkeypatch.setattr(masking, "READ_SECONDS", 0.05)
    given = pod({"running": {}}, ended(f"{PASSWORD}"))
    [facts] = [pod_facts(p) for p in await masked([given], cluster.masks())]
    [last] = facts.last_terminations
    assert last.message == "withheld, because Secret 'db' could not be read to mask its values"
    assert last.exit_code == 1


async def test_that_nothing_was_migrated_is_known_without_the_secret() -> None:
    """Else a Secret that cannot be read for a moment would make a schema change of it, which stands in the way back."""
    [given] = await masked([pod(ended("nothing to do\n"))], Secrets(fail=Unavailable("503")).masks())
    assert pod_facts(given).last_terminations[0].message == "nothing to do\n"


async def test_secrets_are_read_once_a_pass_and_only_for_a_text() -> None:
    cluster = Secrets(db=secret(password=PASSWORD))
    masks = cluster.masks()
    await masked([pod({"running": {}})], masks)
    assert cluster.read == []
    await masked([pod({"running": {}}, ended("boom")), pod(ended("again"))], masks)
    await masked([pod(ended("and again"))], masks)
    assert cluster.read == ["db"]


async def test_of_a_pod_that_succeeded_nothing_is_shown_and_no_secret_read() -> None:
    """The pod of finished migrations stays for as long as its Job does: its Secrets would be read in each pass."""
    cluster = Secrets(db=secret(password=PASSWORD))
    for text, shown in ((f"applied with {PASSWORD}", ""), ("nothing to do\n", "nothing to do\n")):
        given = pod(ended(text))
        given["status"]["phase"] = "Succeeded"
        [facts] = [pod_facts(p) for p in await masked([given], cluster.masks())]
        assert [t.message for t in facts.last_terminations] == [shown]
    assert cluster.read == []


def test_every_secret_that_a_container_can_print_is_known() -> None:
    """From the environment of each container, and from volumes."""
    spec = {
        "initContainers": [{"env": [{"valueFrom": {"secretKeyRef": {"name": "a", "key": "k"}}}]}],
        "containers": [{"envFrom": [{"secretRef": {"name": "b"}}]}],
        "volumes": [
            {"secret": {"secretName": "c"}},
            {"projected": {"sources": [{"secret": {"name": "d"}}]}},
            {"emptyDir": {}},
        ],
    }
    kept = slim(POD, {"metadata": {"uid": "u"}, "spec": spec})
    assert kept["spec"]["secretNames"] == ["a", "b", "c", "d"]


# --- values that a Secret has had -------------------------------------------------------------------------------------
BEGAN, ENDED = "2026-01-01T00:00:10Z", "2026-01-01T00:00:20Z"
HIDDEN = "withheld, because Secret 'db' may have changed since, and what it had before is not known"


def run(message: str, began: str | None = BEGAN) -> dict[str, Any]:
    state = {"exitCode": 1, "reason": "Error", "message": message, "finishedAt": ENDED}
    return {"terminated": state | ({"startedAt": began} if began else {})}


def dated(created: str, *entries: Manifest) -> Manifest:
    return secret(k=PASSWORD) | {"metadata": {"creationTimestamp": created, "managedFields": list(entries)}}


@pytest.mark.parametrize(
    ("found", "shown"),
    [
        (dated("2025-01-01T00:00:00Z", written("2025-01-01T00:00:00Z")), "boom ***"),
        (dated("2025-01-01T00:00:00Z", written("2025-06-01T00:00:00Z")), "boom ***"),
        # Made for the pod, in the second in which it began.
        (dated(BEGAN, written(BEGAN)), "boom ***"),
        # A label is no value.
        (dated("2025-01-01T00:00:00Z", written("2025-01-01T00:00:00Z"), written(ENDED, "f:metadata")), "boom ***"),
        # While the container ran, and after its end; the end is no better than the begin.
        (dated("2025-01-01T00:00:00Z", written("2026-01-01T00:00:15Z")), HIDDEN),
        (dated("2025-01-01T00:00:00Z", written("2026-01-01T00:01:00Z")), HIDDEN),
        (dated("2025-01-01T00:00:00Z", written("2026-01-01T00:01:00Z", operation="Apply")), HIDDEN),
        # One node's clock is not the API server's.
        (dated("2025-01-01T00:00:00Z", written("2026-01-01T00:00:08Z")), HIDDEN),
        # Deleted and made again.
        (dated("2026-01-01T00:01:00Z", written("2026-01-01T00:01:00Z")), HIDDEN),
        # Someone has emptied managedFields, or the Secret: no one knows.
        (dated("2025-01-01T00:00:00Z"), HIDDEN),
        (dated("2025-01-01T00:00:00Z", written("2025-01-01T00:00:00Z", "f:type")) | {"data": {}}, HIDDEN),
    ],
)  # fmt: skip
async def test_words_of_a_run_that_may_have_had_other_values_are_withheld(
    found: Manifest, shown: str
) -> None:
    given = pod({"running": {"startedAt": ENDED}}, run(f"boom {PASSWORD}"))
    [facts] = [pod_facts(p) for p in await masked([given], Secrets(db=found).masks())]
    assert [t.message for t in facts.last_terminations] == [shown]


async def test_each_run_counts_by_itself() -> None:
    """The one after the change had what there is now."""
    changed = dated("2025-01-01T00:00:00Z", written("2026-01-01T00:00:30Z"))
    given = pod(run("again", began="2026-01-01T00:01:00Z"), run("before"))
    [facts] = [pod_facts(p) for p in await masked([given], Secrets(db=changed).masks())]
    assert [t.message for t in facts.last_terminations] == [HIDDEN, "again"]


async def test_a_hooks_output_is_of_a_time_that_is_not_known() -> None:
    changed = dated("2025-01-01T00:00:00Z", written("2026-01-01T00:00:30Z"))
    for message, shown in (("boom", HIDDEN), ("nothing to do", "nothing to do")):
        given = pod(waiting("PostStartHookError", message))
        [facts] = [pod_facts(p) for p in await masked([given], Secrets(db=changed).masks())]
        assert facts.waiting_message == shown


async def test_a_wrong_value_stays_hidden_once_its_secret_is_corrected() -> None:
    """It stands in the last words of a pod in back-off, and no Secret has it any more to mask it by."""
    wrong = "Alohomora-of-production"
    env = [{"name": "VAULT", "valueFrom": {"secretKeyRef": {"name": "key", "key": "k"}}}]
    async with Loop() as loop:
        # given
        meta = {"name": "key", "namespace": NAMESPACE}
        values = {"k": "right-value-000"}
        loop.server.create(SECRET, {"metadata": meta, "stringData": values}, manager="kubectl")
        await loop.create(config={"env": env})
        working = {p["metadata"]["name"] for p in loop.pods()}

        def set_value(value: str) -> None:
            values["k"] = value
            loop.server.merge(SECRET, NAMESPACE, "key", {"stringData": values}, manager="kubectl")

        kubelet = loop.controllers.kubelet
        kubelet.last_words = lambda pod: f"cannot sign in with {values['k']}"
        kubelet.crashes = lambda pod: (
            pod["metadata"]["labels"].get("app.kubernetes.io/component") == "api"
            and pod["metadata"]["name"] not in working
            and values["k"] == wrong
        )
        set_value(wrong)
        loop.ask("touched")
        await loop.until(lambda: "cannot sign in with ***" in loop.status["message"], 100)
        await loop.run(100)  # in a long back-off by now
        seen: list[str] = []
        loop.every_tick.append(lambda: seen.append(loop.status["message"]))
        # when
        set_value("right-value-001")
        loop.ask("touched")
        # then
        await loop.until(lambda: loop.phase == "Ready", 300)
        assert not any(wrong in message for message in seen)
        assert any("withheld" in message for message in seen)
