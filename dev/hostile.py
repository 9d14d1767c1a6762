"""Bytes that a client may send to hurt: what the component tests walk through, and the fuzzer draws from.

Nothing here is a valid request on purpose; the answer to all of it is a refusal, never a 5xx.
"""

import asyncio
import base64
import os
import random
from collections.abc import Iterable
from dataclasses import dataclass

HEADERS = (
    "Accept", "Accept-Encoding", "Access-Control-Request-Headers", "Access-Control-Request-Method", "Authorization",
    "Connection", "Content-Encoding", "Content-Type", "Cookie", "Date", "Expect", "Forwarded", "Host",
    "Idempotency-Key", "If-Match", "If-Modified-Since", "If-None-Match", "Keep-Alive", "Origin", "Range", "Referer",
    "Sec-WebSocket-Extensions", "Sec-WebSocket-Key", "Sec-WebSocket-Protocol", "Sec-WebSocket-Version", "TE",
    "Trailer", "Upgrade", "User-Agent", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto",
    "X-HTTP-Method-Override", "X-Request-ID", "traceparent", "tracestate",
)  # fmt: skip
"""Every header that this service, its framework or a proxy in front gives a meaning to, but for those that frame a body."""

VALUES = (
    b"", b" ", b"http://[", b"http://[::1", b"http://]", b"http://[v1.x]", b"http://a:b:c", b"http://a:99999999",
    b"//", b"::::", b"http://\xe2\x84\xaa.example", b"http://user:p@ss@[", b"null", b"%", b"%zz", b"%00", b"%ff%fe",
    b"\xff\xfe", b"\xc3\x28", b"\xed\xa0\x80", b"caf\xc3\xa9", b"caf\xe9", b"\xf0\x9f\xa6\x89" * 50, b"\x7f", b"\t",
    b"a\tb", b"*", b"*, *", b",", b",,,,", b'"', b'"\\', b'""', b"W/", b'W/"', b'"1-1", W/"', b"-1", b"0", b"1e400",
    b"9" * 400, b"NaN", b";", b";;;=", b"; q=", b"application/json; charset=", b"application/json; charset=nope",
    b'application/json; charset="', b"application/json;a=\xff", b"=?utf-8?b?//8=?=", b"=?x?q?=ff?=", b"bearer",
    b"Bearer ", b"Bearer \xff\xfe", b"Bearer a.b.c", b"Bearer ..", b"Bearer " + b"." * 900,
    b"Bearer eyJhbGciOlsiSFMyNTYiXX0.e30.x", b"Bearer bnVsbA.bnVsbA.bnVsbA", b"Bearer W10.W10.W10", b"Basic Og==",
    b"gzip", b"deflate", b"br", b"zstd", b"gzip, gzip, gzip", b"identity;q=0", b"fe80::1%eth0%", b"1.2.3.4:99999",
    b"[::1]:x", b"256.1.1.1", b"::ffff:999.1.1.1", b"unknown, unknown", b"for=\"[\"", b"bytes=-", b"bytes=0-0,9-1",
    b"100-continue", b"websocket", b"h2c", b"upgrade, close", b"13", b"8", b"x" * 16, b"A" * 22 + b"==",
    b"permessage-deflate; server_max_window_bits=99", b"x" * 4000, b"a=" * 1000,
    b"00-" + b"0" * 32 + b"-" + b"0" * 16 + b"-01",
)  # fmt: skip
"""Values that some parser stumbles over: addresses, encodings, lists, numbers, tokens, dates, tags."""

PIECES = (
    b"%", b"%2", b"%zz", b"%00", b"%ff", b"%c3%28", b"%ed%a0%80", b"%2e%2e%2f", b"..", b"0", b"-1", b"1e3", b"9" * 30,
    b"9" * 400, b"NaN", b"null", b"true", b"[]", b"%7b%7d", b"%27", b"%22", b"%5c", b"'%20OR%201=1--", b"%0d%0aX:%20y",
    b"%f0%9f%a6%89", b"\xff\xfe", b"\xc3\xa9", b"%ef%bb%bf", b"%20", b"%09", b"%1f", b"a" * 300, b"1,2,,3", b"," * 30,
    b"&", b"=", b";", b"1&x=1&x=2", b"%26", b"+", b"0000-00-00", b"9999-12-31T23:59:60Z",
    b"0001-01-01T00:00:00%2b23:59", b"2026-02-30", b"T", b"%d9%a1%d9%a2", b"bnVsbA", b"W10", b"WyIiLDAsMCwwXQ",
    b"00000000-0000-0000-0000-00000000000g", b"%e2%80%ae", b"a%cc%81" * 20, b"%c5%bf%c4%b0%c3%9f",
    b"%28%29%7c%21%3a%2a%26", b"%3a%2a", b"%40%40", b"%3c-%3e",
)  # fmt: skip
"""Pieces of a path or of a query string, as they stand in a request line."""

AUTHORITIES = (
    b"xn--", b"xn--a", b"xn--*", b"xn--80ak6aa92e", b"XN--\xff", b"a.xn--", b"xn--.xn--", b"xn--a:80", b"u:p@xn--",
    b"xn--99999999", b"", b":", b":0", b":99999", b"a:b", b"a:b@c@d", b"@", b"a@", b".", b"..", b"-", b"a" * 64,
    b"a" * 300, b"%", b"%zz", b"%00", b"%ff", b"[", b"]", b"[::1", b"[::1]:x", b"[::1%25eth0]", b"[v1.x]", b"0x7f",
    b"256.1.1.1", b"\xff", b"\xc3\xa9", b"\xe2\x84\x80", b"\xe2\x80\x8b", b"\xe3\x80\x82", b"\\", b"^", b"{", b"|",
    b"<", b"'", b"*", b"~", b"_", b"//", b"#", b"?",
)  # fmt: skip
"""What may stand for the host of a request line in absolute form."""

JSON_VALUES = (
    b"null", b"true", b"0", b"-0", b"-1", b"1.5", b"1e400", b"-1e400", b"1e-400", b"9" * 30, b"9" * 5000, b"NaN",
    b"Infinity", b'""', b'" "', b'"\\u0000"', b'"\\ud800"', b'"\\udfff\\ud800"', b'"\xff"', b'"\xed\xa0\x80"', b'"\\"',
    b'"' + b"a" * 300 + b'"', b'"\\u202e"', b"[]", b"{}", b"[null]", b"[[]]", b"[1,2,3]", b'["' + b"a" * 60 + b'"]',
    b"[" * 900 + b"]" * 900, b'{"a":' * 900 + b"1" + b"}" * 900, b"[" * 3000 + b"]" * 3000, b'{"type":"auth"}',
    b'"12abc"', b'"http://["', b'"2026-13-45T99:99:99Z"', b'["http://[","http://a b"]', b'"incident:"',
    b'"incident:99999999999999999999"', b'"incident:\xd9\xa1"', b'"incident:-1"', b'"a.b.c"',
    b'"eyJhbGciOlsiSFMyNTYiXX0.e30.x"',
)  # fmt: skip
"""Values of one field of a JSON object; some are not JSON."""

FRAMES = (
    b"", b"\x00", b"\x81", b"\x81\x80", b"\x81\x05abcde", b"\x82\x85\0\0\0\0hello", b"\x83\x80\0\0\0\0",
    b"\xf1\x80\0\0\0\0", b"\xc1\x80\0\0\0\0", b"\x01\x81\0\0\0\0{", b"\x80\x81\0\0\0\0}",
    b"\x01\x81\0\0\0\0{\x81\x81\0\0\0\0}", b"\x09\x80\0\0\0\0", b"\x89\xfe\x00\x7e\0\0\0\0" + b"a" * 126,
    b"\x88\x81\0\0\0\0\x03", b"\x88\x82\0\0\0\0\x00\x00", b"\x88\x82\0\0\0\0\x03\xed",
    b"\x88\x84\0\0\0\0\x03\xe8\xff\xfe", b"\x8a\x80\0\0\0\0", b"\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0",
    b"\x81\xff\x00\x00\x00\x00\x7f\xff\xff\xff\0\0\0\0", b"\x81\xfe\xff\xff\0\0\0\0" + b"a" * 65535,
    b"\x81\x84\0\0\0\0\xff\xfe\xfd\xfc", b"\x81\x83\0\0\0\0\xed\xa0\x80", b"\xff" * 20,
    b"GET / HTTP/1.1\r\nHost: map\r\n\r\n", b"\x16\x03\x01\x02\x00",
)  # fmt: skip
"""Bytes in place of WebSocket frames: broken lengths, codes, masks, fragments, close reasons and texts."""

PATIENCE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Request:
    """One request as bytes. `label` names what is wrong with it; `body` None sends none."""

    label: str
    method: str
    target: bytes
    headers: tuple[tuple[str, bytes], ...] = ()
    body: bytes | None = None

    def encoded(self) -> bytes:
        """What goes over the wire; the connection is closed after it."""
        names = {name.lower() for name, _ in self.headers}
        lines = [self.method.encode() + b" " + self.target + b" HTTP/1.1"]
        lines += [name.encode() + b": " + value for name, value in self.headers]
        if "host" not in names:
            lines.append(b"Host: map")
        if "connection" not in names:
            lines.append(b"Connection: close")
        if self.body is not None:
            lines.append(b"Content-Length: %d" % len(self.body))
            if "content-type" not in names:
                lines.append(b"Content-Type: application/json")
        return b"\r\n".join(lines) + b"\r\n\r\n" + (self.body or b"")


async def status_of(port: int, raw: bytes) -> int | None:
    """The status of the answer to these bytes on a connection of their own; None when it was closed without one."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            writer.write(raw)
            line = await reader.readline()
        return int(line.split()[1]) if line else None
    except ConnectionError:
        return None
    finally:
        writer.close()


async def converse(port: int, frames: Iterable[bytes], *, first: bytes = b"") -> int | None:
    """Open a WebSocket, send `first` and these bytes and a close frame, and wait for its end.

    Returns the server's close code, None when it closed without one. Raises ConnectionError when there is no socket.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            writer.write(handshake())
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 101 "):
                raise ConnectionError(head.decode(errors="replace"))
            writer.write(first + b"".join(frames) + b"\x88\x82\0\0\0\0\x03\xe8")
            writer.write_eof()  # or the server would wait for the rest of a frame that is cut off
            return await _close_code(reader)
    except (ConnectionResetError, BrokenPipeError):
        return None
    finally:
        writer.close()


def handshake(*headers: tuple[str, bytes]) -> bytes:
    """The request that opens a WebSocket; `headers` replace those of the same name."""
    usual = {
        "Connection": b"Upgrade",
        "Upgrade": b"websocket",
        "Sec-WebSocket-Version": b"13",
        "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)),
    }
    return Request("handshake", "GET", b"/ws", tuple({**usual, **dict(headers)}.items())).encoded()


def text_frame(payload: bytes) -> bytes:
    """A masked text frame, whatever the payload is; the mask is zero."""
    if len(payload) < 126:
        length = bytes([0x80 | len(payload)])
    elif len(payload) < 65536:
        length = b"\xfe" + len(payload).to_bytes(2, "big")
    else:
        length = b"\xff" + len(payload).to_bytes(8, "big")
    return b"\x81" + length + b"\0\0\0\0" + payload


def mutated(chance: random.Random, values: tuple[bytes, ...]) -> bytes:
    """One of the values, changed in a few places; no line break, which would make two headers of one."""
    made = bytearray(chance.choice(values))
    for _ in range(chance.randint(0, 4)):
        place = chance.randint(0, len(made))
        match chance.randint(0, 3):
            case 0:
                made[place:place] = chance.choice(values)[:200]
            case 1:
                made[place:place] = bytes([chance.randint(1, 255)])
            case 2:
                del made[place : place + chance.randint(1, 8)]
            case _:
                made[place:place] = made[:place][-20:]
    return bytes(made[:6000]).replace(b"\r", b" ").replace(b"\n", b" ").replace(b"\0", b" ")


async def _close_code(reader: asyncio.StreamReader) -> int | None:
    """Read frames of the server until its close frame or the end."""
    while head := await reader.read(2):
        if len(head) < 2:
            head += await reader.readexactly(1)
        length = head[1] & 0x7F
        if length == 126:
            length = int.from_bytes(await reader.readexactly(2), "big")
        elif length == 127:
            length = int.from_bytes(await reader.readexactly(8), "big")
        payload = await reader.readexactly(length)
        if head[0] & 0x0F == 8:
            return int.from_bytes(payload[:2], "big") if len(payload) >= 2 else None
    return None
