"""`/api/docs`: Swagger UI from files that are part of this package; nothing is fetched from anywhere else.

The page alone has a Content-Security-Policy of its own: scripts from here only, none inline; Swagger UI sets styles in
attributes, and draws its icons from data: URLs. dev/swagger_ui.py has where the files come from.
"""

import gzip
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cache
from importlib import resources

from aiohttp import web

from maraudersmap_api.http.api import Api
from maraudersmap_api.http.conditions import known, takes_gzip
from maraudersmap_api.http.reading import header, header_list

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_PAGE = "text/html; charset=utf-8"
_SCRIPT = "text/javascript; charset=utf-8"
_STYLE = "text/css; charset=utf-8"


@dataclass(frozen=True, slots=True)
class _Asset:
    """A file, compressed as it is kept."""

    content_type: str
    compressed: bytes
    etag: str


def add_docs_page(api: Api) -> None:
    """The page and its files."""
    routes = api.tagged("service", needs_database=False)

    @routes.get("/api/docs", produces="text/html", sends=("ETag",))
    async def docs(request: web.Request) -> web.StreamResponse:
        """This API for people: Swagger UI."""
        response = _send(request, _asset("index.html", _PAGE))
        response.headers["Content-Security-Policy"] = POLICY
        return response

    for name, content_type in (
        ("start.js", _SCRIPT),
        ("swagger-ui-bundle.js", _SCRIPT),
        ("swagger-ui.css", _STYLE),
    ):
        label = "docs_" + name.replace("-", "_").replace(".", "_")
        plain_type = content_type.partition(";")[0]
        routes.get(f"/api/docs/{name}", produces=plain_type, name=label, sends=("ETag",))(
            _sender(name, content_type)
        )


def _sender(name: str, content_type: str) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def asset(request: web.Request) -> web.StreamResponse:
        """A file of the docs page."""
        return _send(request, _asset(name, content_type))

    return asset


def _send(request: web.Request, asset: _Asset) -> web.Response:
    compressed = takes_gzip(header(request, "Accept-Encoding") or "")
    headers = {
        "Content-Type": asset.content_type,
        "Cache-Control": "public, max-age=3600",
        # Other bytes need another strong tag; a cache that has either learns that it is still good.
        "ETag": asset.etag[:-1] + '-gzip"' if compressed else asset.etag,
        "Vary": "Accept-Encoding, Origin",
    }
    if known(header_list(request, "If-None-Match") or "", asset.etag):
        headers.pop("Content-Type")
        return web.Response(status=304, headers=headers)
    if compressed:
        return web.Response(body=asset.compressed, headers={**headers, "Content-Encoding": "gzip"})
    return web.Response(body=gzip.decompress(asset.compressed), headers=headers)


@cache
def _asset(name: str, content_type: str) -> _Asset:
    folder = resources.files("maraudersmap_api.http") / "swagger_ui"
    packed = folder / f"{name}.gz"
    compressed = (
        packed.read_bytes() if packed.is_file() else gzip.compress((folder / name).read_bytes(), mtime=0)
    )
    return _Asset(content_type, compressed, f'"{hashlib.sha256(compressed).hexdigest()[:16]}"')
