"""What surrounds the revisions, as the operator's own installation asks for it."""

from __future__ import annotations

from maraudersmap_operator.children import Images, Owner
from maraudersmap_operator.reconcile.apply.desired import foundation
from maraudersmap_operator.resource import parse


def test_pods_let_in_the_operator_from_where_it_is_installed() -> None:
    """Its comparison of the pods' metrics would have no data otherwise."""
    spec = {
        "image": "app:1",
        "database": {"evaluation": {}},
        "networkPolicy": {"allowedNamespaces": ["ingress"]},
    }
    resource = parse({"metadata": {"name": "map", "namespace": "owlery", "uid": "u"}, "spec": spec})
    owner = Owner(resource.name, resource.namespace, resource.uid)
    manifests = foundation(owner, resource.spec, Images("pg", "redis"), {}, "my-operators")
    policy = next(m for m in manifests if m["kind"] == "NetworkPolicy" and m["metadata"]["name"] == "map-api")
    peers = policy["spec"]["ingress"][0]["from"]
    named = {p["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"] for p in peers}
    assert named == {"owlery", "ingress", "my-operators"}
