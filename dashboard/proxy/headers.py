"""What of a message's head is between two neighbours only, and is not passed on."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import unquote

from h11 import Request, Response

from dashboard.proxy.upstream import Upstream

Pairs = list[tuple[bytes, bytes]]

# RFC 9110, 7.6.1. Transfer-Encoding is not among them: the body is passed on in the framing it came in. Nor is
# Trailer: trailers are passed on too.
HOP_BY_HOP = frozenset(
    {b"connection", b"keep-alive", b"proxy-connection", b"te", b"upgrade"}
    | {b"proxy-authenticate", b"proxy-authorization"}
)
SECRET = frozenset(
    {b"authorization", b"proxy-authorization", b"cookie", b"vercel-oidc-token", b"x-vercel-oidc-token"}
    | {b"x-vercel-trusted-oidc-idp-token"}
)
BEARER = re.compile(r"(?i)\bbearer\s+\S+")
HIDDEN = "[hidden]"
# What is shorter identifies nobody, and covering it would make texts unreadable.
SHORTEST = 6


def request_headers(request: Request, upstream: Upstream) -> Pairs:
    """The head as the backend gets it: the app's own, for the backend's host."""
    kept = [pair for pair in _end_to_end(request) if pair[0].lower() != b"host"]
    trailers = [(b"TE", b"trailers")] if b"trailers" in tokens(request, b"te") else []
    return [(b"Host", upstream.authority.encode()), *kept, *trailers]


def response_headers(response: Response) -> Pairs:
    """The head as the app gets it. A backend that hangs up after this answer makes us do the same."""
    closes = b"close" in tokens(response, b"connection") or response.http_version < b"1.1"
    return [*_end_to_end(response), *([(b"Connection", b"close")] if closes else [])]


def _end_to_end(message: Request | Response) -> Pairs:
    named = tokens(message, b"connection") | HOP_BY_HOP
    return [(name, value) for name, value in message.headers.raw_items() if name.lower() not in named]


def tokens(message: Request | Response, name: bytes) -> set[bytes]:
    """The comma-separated words of a header, in lower case and without parameters."""
    values = b",".join(value for key, value in message.headers if key == name)
    return {word.split(b";")[0].strip().lower() for word in values.split(b",")} - {b""}


def header(message: Request | Response, name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in message.headers if key == name), "")


def secrets(request: Request) -> tuple[str, ...]:
    """What must never be told: the values of the headers that identify the app, and those of the query."""
    query = request.target.decode("latin-1").partition("?")[2]
    found = [value.partition("=")[2] for value in query.split("&")]
    for key, value in request.headers:
        if key in SECRET:
            text = value.decode("latin-1")
            found += [text, *re.split(r"[\s;=]+", text)]
    # A cookie's value is in there twice, as a whole and in its parts, since a text may repeat either.
    words = {*found, *map(unquote, found)}
    return tuple(sorted((word for word in words if len(word) >= SHORTEST), key=len, reverse=True))


def without(text: str, hidden: Iterable[str]) -> str:
    """The text with every secret in it covered."""
    for word in hidden:
        text = text.replace(word, HIDDEN)
    return BEARER.sub(f"Bearer {HIDDEN}", text)
