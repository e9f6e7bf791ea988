"""Makes a library that sends by itself go out under our rules: its HTTP becomes `outbound.request`.

Inside `guarded()` no session of requests opens a connection, and smtplib connects only where outbound connects. Both
are changed in one place for the whole process, and ask a context variable, so that other threads and other users of
these libraries notice nothing.
"""

from __future__ import annotations

import smtplib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import requests
from requests.adapters import BaseAdapter

from dashboard.lib import outbound


@dataclass(slots=True)
class Seen:
    """What happened inside: the answers, and what did not come to one."""

    answers: list[outbound.Answer] = field(default_factory=list)
    errors: list[outbound.OutboundError] = field(default_factory=list)


_seen: ContextVar[Seen | None] = ContextVar("tailrace_guarded", default=None)
_installing = threading.Lock()


@contextmanager
def guarded() -> Iterator[Seen]:
    _install()
    seen = Seen()
    token = _seen.set(seen)
    try:
        yield seen
    finally:
        _seen.reset(token)


class _Adapter(BaseAdapter):
    """Certificates are always checked, proxies and redirects never followed, whatever the caller asks for."""

    def send(self, request: requests.PreparedRequest, *_args: Any, **_options: Any) -> requests.Response:
        seen = _seen.get() or Seen()
        headers = {str(name): _text(value) for name, value in request.headers.items()}
        try:
            answer = outbound.request(
                request.method or "GET", request.url or "", headers=headers, content=_bytes(request.body)
            )
        except outbound.OutboundError as error:
            seen.errors.append(error)
            raise requests.ConnectionError(str(error)) from None
        seen.answers.append(answer)
        return _response(request, answer)

    def close(self) -> None:
        """Nothing is kept open."""


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _bytes(body: Any) -> bytes:
    """A prepared body is text, bytes, a file or something that yields pieces."""
    if isinstance(body, str):
        return body.encode()
    if body is None or isinstance(body, bytes):
        return body or b""
    if hasattr(body, "read"):
        return _bytes(body.read())
    return b"".join(_bytes(piece) for piece in body)


def _response(request: requests.PreparedRequest, answer: outbound.Answer) -> requests.Response:
    response = requests.Response()
    response.status_code, response.url, response.request = answer.status, request.url or "", request
    response.headers.update(answer.headers)
    response.encoding = "utf-8"
    response._content = answer.body
    return response


def _install() -> None:
    """Once; each replacement asks at every call whether it is inside `guarded()`."""
    with _installing:
        if getattr(requests.Session, "tailrace_guard", False):
            return
        _install_http()
        _install_smtp()
        requests.Session.tailrace_guard = True  # type: ignore[attr-defined]


def _install_http() -> None:
    plain_adapter, plain_prepare = requests.Session.get_adapter, requests.Session.prepare_request
    ours = _Adapter()

    def get_adapter(self: requests.Session, url: Any) -> BaseAdapter:
        return plain_adapter(self, url) if _seen.get() is None else ours

    def prepare_request(self: requests.Session, request: requests.Request) -> requests.PreparedRequest:
        if _seen.get() is not None:
            self.trust_env = False  # else a password of ~/.netrc would go along
        return plain_prepare(self, request)

    requests.Session.get_adapter = get_adapter  # type: ignore[method-assign]
    requests.Session.prepare_request = prepare_request  # type: ignore[method-assign]


def _install_smtp() -> None:
    plain = smtplib.SMTP._get_socket  # type: ignore[attr-defined]

    def get_socket(self: smtplib.SMTP, host: str, port: int, timeout: float | None) -> socket.socket:
        seen = _seen.get()
        if seen is None:
            return plain(self, host, port, timeout)  # type: ignore[no-any-return]
        try:
            return outbound.connect(host, port, timeout or 10.0)
        except outbound.OutboundError as error:
            seen.errors.append(error)
            raise OSError(str(error)) from None

    smtplib.SMTP._get_socket = get_socket  # type: ignore[attr-defined]
