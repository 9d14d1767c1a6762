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
