"""A registry that answers every request with one status: runs in a container in place of the real one.

`python3 - STATUS PORT`, read from standard input or `-c`. It must import nothing of ours.
"""

import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Faulty(BaseHTTPRequestHandler):
    """Answers as a broken or refusing registry does, with the error body that the distribution API defines."""

    status = 503

    def answer(self) -> None:
        code = "DENIED" if self.status in (401, 403) else "UNAVAILABLE"
        body = f'{{"errors":[{{"code":"{code}","message":"broken on purpose"}}]}}'.encode()
        self.send_response(self.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_POST = do_PUT = answer  # noqa: N815 - the names that http.server calls


if __name__ == "__main__":
    Faulty.status = int(sys.argv[1])
    ThreadingHTTPServer(("", int(sys.argv[2])), Faulty).serve_forever()
