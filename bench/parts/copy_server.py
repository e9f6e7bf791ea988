"""A copy of pages with their styles, scripts and pictures, in memory, behind a server that does nothing else."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urljoin
from urllib.request import urlopen

_LINKED = re.compile(r'<(?:script|link)[^>]*?(?:src|href)="([^"]+)"')
_IMPORTED = re.compile(r'^import [^"]*"([^"]+)"', re.MULTILINE)
Copied = dict[str, tuple[str, bytes]]  # path: type, body


@contextmanager
def copy_of(base: str, paths: Iterable[str]) -> Iterator[str]:
    """Gives the copy's address. What was not copied (sockets, parts asked for later) is answered with 404."""
    copied: Copied = {}
    for path in paths:
        _copy(base, path, copied)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(copied))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()


def _copy(base: str, path: str, copied: Copied) -> None:
    with urlopen(base + path) as answer:
        copied[path] = answer.headers["Content-Type"], answer.read()
    kind, body = copied[path]
    if "html" in kind:
        linked = _LINKED.findall(body.decode())
    elif "javascript" in kind:
        linked = [urljoin(path, one) for one in _IMPORTED.findall(body.decode())]
    else:
        linked = []
    for one in linked:
        if one.startswith("/") and one not in copied:
            _copy(base, one, copied)


def _handler(copied: Copied) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            kind, body = copied.get(self.path, ("text/plain", b""))
            self.send_response(200 if self.path in copied else 404)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing is to be read of it."""

    return Handler
