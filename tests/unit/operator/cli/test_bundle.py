"""The support bundle: whole, masked, and honest about what it could not read."""

from __future__ import annotations

import base64
import tarfile
from datetime import timedelta
from pathlib import Path

import pytest
from tests.unit.operator.fake.client import FakeCluster
from tests.unit.operator.fake.harness import NAME, NAMESPACE, Loop, play

from maraudersmap_operator.cli.archive import Exists, writing
from maraudersmap_operator.cli.arguments import parse
from maraudersmap_operator.cli.bundle import Wish, support_bundle
from maraudersmap_operator.cli.hiding import hidden, secret_names
from maraudersmap_operator.cli.read import NoSuchResource
from maraudersmap_operator.cluster.kinds import NODE, POD, SECRET
from maraudersmap_operator.cluster.mask import Mask, mask_of

from .given import NOW

PASSWORD = "alohomora-2026"


def wish(target: Path, **more: object) -> Wish:
    given = {
        "operator_namespace": "marauders-system",
        "since": timedelta(hours=1),
        "overwrite": False,
        **more,
    }
    return Wish(NAMESPACE, NAME, target=target, **given)  # type: ignore[arg-type]


def files(target: Path) -> dict[str, str]:
    """Path below the archive's directory -> text."""
    with tarfile.open(target) as tar:
        found = {m.name.split("/", 1)[1]: tar.extractfile(m) for m in tar.getmembers()}
        return {name: file.read().decode() for name, file in found.items() if file is not None}


def bundled(target: Path, *faults: dict[str, object]) -> tuple[dict[str, str], dict[str, str]]:
    """Files and what could not be read, of a resource whose last revision crashed."""

    async def story() -> dict[str, str]:
        async with Loop() as loop:
            loop.last_log_line = f"cannot log in with {PASSWORD} at postgres://map:hunter22@db/map"
            secret = {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": "owl", "namespace": NAMESPACE},
                "data": {"password": base64.b64encode(PASSWORD.encode()).decode()},
            }
            loop.server.create(SECRET, secret, manager="kubectl")
            env = [
                {"name": "OWL", "valueFrom": {"secretKeyRef": {"name": "owl", "key": "password"}}},
                {"name": "API_TOKEN", "value": "plain-but-secret"},
            ]
            await loop.create(config={"env": env})
            for fault in faults:
                loop.faults.add(**fault)  # type: ignore[arg-type]
            cluster = FakeCluster(loop.server, loop.faults, manager="kubectl-marauders")
            cluster.logs_of = loop.logs_of
            return await support_bundle(cluster, wish(target), NOW)

    unread = play(story)
    return files(target), unread


def test_everything_is_in_it_and_no_secret_is(tmp_path: Path) -> None:
    target = tmp_path / "map.tar.gz"
    found, _ = bundled(target)
    assert {
        "resource.json", "views/status.txt", "views/explain.txt", "views/history.txt", "children/pods.json",
        "children/deployments.json", "children/controllerrevisions.json", "secrets.json", "events.json", "nodes.json",
        "definition.json", "index.txt",
    } <= set(found)  # fmt: skip
    logs = {path: text for path, text in found.items() if path.startswith("pods/")}
    assert any("cannot log in with ***" in text for text in logs.values())
    whole = "\n".join(found.values())
    for hidden_text in (
        PASSWORD,
        base64.b64encode(PASSWORD.encode()).decode(),
        "hunter22",
        "plain-but-secret",
    ):
        assert hidden_text not in whole
    assert '"name": "owl"' in found["secrets.json"]
    assert '"password"' in found["secrets.json"]
    assert target.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("fault", "path"),
    [
        ({"status": 403, "verb": "logs", "kind": POD}, "pods/"),
        ({"status": 403, "kind": SECRET}, "secrets.json: owl"),
        ({"status": 403, "kind": NODE}, "nodes.json: "),
        ({"status": 503, "verb": "schema"}, "definition.json"),
    ],
)
def test_what_could_not_be_read_is_named_and_the_rest_is_there(
    tmp_path: Path, fault: dict[str, object], path: str
) -> None:
    found, unread = bundled(tmp_path / "map.tar.gz", fault)
    assert [p for p in unread if p.startswith(path)]
    index = found["index.txt"].partition("Could not be read:")[2]
    for missing in unread:
        assert missing in index
    assert "resource.json" in found
    # Without the value, what looks like a credential is masked all the same.
    assert "hunter22" not in "\n".join(found.values())


def test_an_operator_elsewhere_is_asked_for(tmp_path: Path) -> None:
    found, unread = bundled(tmp_path / "map.tar.gz")
    [missing] = [path for path in unread if path.endswith("/deployments.json")]
    assert "--operator-namespace" in unread[missing]
    assert missing in found["index.txt"].partition("Could not be read:")[2]


def test_a_resource_that_is_not_there_leaves_no_file(tmp_path: Path) -> None:
    async def story() -> None:
        async with Loop() as loop:
            await support_bundle(FakeCluster(loop.server), wish(tmp_path / "map.tar.gz"), NOW)

    with pytest.raises(NoSuchResource):
        play(story)
    assert list(tmp_path.iterdir()) == []


def test_an_existing_file_is_replaced_only_when_asked(tmp_path: Path) -> None:
    target = tmp_path / "map.tar.gz"
    target.write_text("mine")
    with pytest.raises(Exists, match="--force"), writing(target, "map", NOW, overwrite=False):
        pass
    assert target.read_text() == "mine"
    with writing(target, "map", NOW, overwrite=True) as archive:
        archive.add("a.txt", "b")
    assert files(target) == {"a.txt": "b"}


def interrupted(target: Path) -> None:
    with writing(target, "map", NOW, overwrite=True) as archive:
        archive.add("a.txt", "b")
        raise KeyboardInterrupt


def test_what_ends_half_way_leaves_what_was_there(tmp_path: Path) -> None:
    target = tmp_path / "map.tar.gz"
    target.write_text("mine")
    with pytest.raises(KeyboardInterrupt):
        interrupted(target)
    assert target.read_text() == "mine"
    assert list(tmp_path.iterdir()) == [target]


def test_references_to_secrets_are_found_wherever_pods_have_them() -> None:
    pod = {
        "spec": {
            "imagePullSecrets": [{"name": "pull"}],
            "volumes": [
                {"secret": {"secretName": "tls"}},
                {"projected": {"sources": [{"secret": {"name": "part"}}]}},
            ],
            "containers": [
                {"envFrom": [{"secretRef": {"name": "all"}}],
                 "env": [{"valueFrom": {"secretKeyRef": {"name": "one", "key": "k"}}}]}
            ],
        }
    }  # fmt: skip
    assert sorted(secret_names(pod)) == ["all", "one", "part", "pull", "tls"]


def test_names_stay_readable_and_values_do_not() -> None:
    mask = mask_of(["swordfish"])
    shown = hidden(
        {
            "metadata": {
                "name": "token-api",
                "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}", "a": "b"},
            },
            "data": {"JWT_SECRET": "x", "url": "https://u:pw@h/"},
            "args": ["--password=abc"],
            "message": "swordfish",
        },
        mask,
    )
    assert shown == {
        "metadata": {"name": "token-api", "annotations": {"a": "b"}},
        "data": {"JWT_SECRET": "***", "url": "https://u:***@h/"},
        "args": ["--password=***"],
        "message": "***",
    }
    assert hidden({"replicas": 3, "ready": True, "x": None}, Mask()) == {
        "replicas": 3,
        "ready": True,
        "x": None,
    }


def test_the_command_line_of_a_bundle() -> None:
    found = parse(
        ["support-bundle", "map", "-n", "owlery", "--output", "x.tar.gz", "--since", "2h", "--force"]
    )
    assert (found.verb, found.name, found.namespace, found.archive) == (
        "support-bundle", "map", "owlery", Path("x.tar.gz"),
    )  # fmt: skip
    assert (found.since, found.force, found.operator_namespace) == (7200, True, "marauders-system")
