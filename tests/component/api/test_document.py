"""The served document: complete, valid, and the reverse."""

from openapi_spec_validator import validate
from tests.component.conftest import Api


async def test_every_route_is_in_the_document_and_the_reverse(api: Api) -> None:
    document = (await api.call("GET", "/api/openapi.json")).body
    validate(document)

    documented = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    routed = {
        (route.method, route.resource.canonical)
        for route in api.service.app.router.routes()
        if route.resource is not None and route.method != "HEAD"
    }
    assert documented == routed
    operations = [operation for methods in document["paths"].values() for operation in methods.values()]
    ids = [operation["operationId"] for operation in operations]
    assert len(ids) == len(set(ids))
    assert all(operation["summary"] != operation["operationId"].partition("_")[2] for operation in operations)


async def test_what_needs_somebody_says_so(api: Api) -> None:
    document = (await api.call("GET", "/api/openapi.json")).body

    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            reply = await api.call(
                method.upper(), path.replace("{", "").replace("}", ""), json=None if method == "get" else {}
            )
            if "security" in operation:
                assert reply.status == 401, (method, path)
            else:
                assert reply.status != 401, (method, path)


async def test_compressed_and_plain_are_told_apart_and_either_is_known(api: Api) -> None:
    path = "/api/docs/swagger-ui.css"
    compressed = await api.call("GET", path, headers={"Accept-Encoding": "gzip"})
    plain = await api.call("GET", path, headers={"Accept-Encoding": "gzip;q=0, identity"})

    assert compressed.body == plain.body, "the client unpacks"
    assert (compressed.headers.get("Content-Encoding"), plain.headers.get("Content-Encoding")) == (
        "gzip",
        None,
    )
    assert compressed.headers["ETag"] != plain.headers["ETag"]
    for reply in (compressed, plain):
        assert "Accept-Encoding" in reply.headers["Vary"]
        for tag in (reply.headers["ETag"], f'"x", W/{reply.headers["ETag"]}', "*"):
            for encoding in ("gzip", "identity"):
                again = await api.call(
                    "GET", path, headers={"Accept-Encoding": encoding, "If-None-Match": tag}
                )
                assert again.status == 304
                assert again.headers["ETag"] == (compressed if encoding == "gzip" else plain).headers["ETag"]


async def test_tags_that_a_compressing_proxy_has_changed_still_name_the_version(api: Api) -> None:
    await api.person("moody", "AUROR")
    made = await api.report("moody")
    path, version = f"/api/incidents/{made['id']}", f"{made['id']}-{made['version']}"

    for tag in (f'W/"{version}"', f'"{version}-gzip"', f'"0-0", W/"{version}-gzip"'):
        assert (await api.call("GET", path, user="moody", headers={"If-None-Match": tag})).status == 304, tag
    for tag, status in ((f'W/"{version}"', 412), ('"0-0-gzip"', 412), (f'"{version}-gzip"', 200)):
        reply = await api.call("PATCH", path, user="moody", headers={"If-Match": tag}, json={"title": "new"})
        assert reply.status == status, tag
