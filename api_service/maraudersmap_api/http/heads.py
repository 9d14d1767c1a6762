"""What the head of a request leaves open, so that a proxy in front may understand another request than we do. Pure."""

from aiohttp import HttpVersion10, HttpVersion11, hdrs, web

from maraudersmap_api.http.reading import header, header_lines

ONCE = (hdrs.AUTHORIZATION, hdrs.CONTENT_TYPE, hdrs.ORIGIN, "Idempotency-Key")
"""Headers with one value, of which we would take the first line and others the last."""


def doubtful(request: web.Request) -> str | None:
    """Why it is not clear which request this is, as a sentence; None when it is.

    RFC 9112 has a server refuse an HTTP/1.1 request without a Host, or with several. It would answer a transfer coding
    that it does not know with 501, and another version with 505; those would count as failures of ours.
    """
    if request.version not in (HttpVersion10, HttpVersion11):
        return "Send the request as HTTP/1.1"
    hosts = len(header_lines(request, hdrs.HOST))
    if hosts > 1 or (hosts == 0 and request.version >= HttpVersion11):
        return "Send one Host header"
    if (header(request, hdrs.TRANSFER_ENCODING) or "chunked").lower() != "chunked":
        return "Send the body as it is or in chunks: no other transfer coding is taken"
    for name in ONCE:
        if len(header_lines(request, name)) > 1:
            return f"Send one {name} header"
    return None
