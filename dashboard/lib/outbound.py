"""The only way out over HTTP for what a user has set up: no redirects, no proxies, and only to public addresses.

A host is looked up once; each address is checked and the connection goes to one of those, so a name that changes its
mind between check and use gains nothing. The certificate is checked against the name. Each call has a deadline for
everything together, also against a server that answers byte by byte, and reads a bounded answer.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import cache
from ipaddress import IPv6Address
from typing import Any
from urllib.parse import urlsplit

import certifi
import httpcore

from dashboard.lib import _outbound_address
from dashboard.lib._outbound_address import OutboundError, TargetRefused, allowed, host_of, resolve

__all__ = [
    "Answer",
    "Limits",
    "OutboundError",
    "TargetRefused",
    "allowed",
    "check_host",
    "check_url",
    "connect",
    "request",
    "resolve",
    "trusted",
]

_USER_AGENT = b"tailrace"
_URL_LIMIT = 4000
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds, and bytes of an answer that are read; what comes after them is left unread."""

    connect: float = 5.0
    read: float = 10.0
    total: float = 20.0
    answer: int = 256 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """`headers` has lower-case names. `body` may be cut at the limit."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300

    def text(self, limit: int = 300) -> str:
        """The body as one line to show."""
        return " ".join(self.body[: limit * 4].decode("utf-8", "replace").split())[:limit]

    def retry_after_s(self) -> float | None:
        """How long the server asks to wait: seconds or a date; at most a day."""
        value = self.headers.get("retry-after", "").strip()
        if value.isascii() and value.isdigit():
            return float(min(int(value[:9]), 86_400))
        try:
            seconds = parsedate_to_datetime(value).timestamp() - time.time()
        except (ValueError, TypeError, OverflowError):
            return None
        return min(max(seconds, 0.0), 86_400.0)


@dataclass(frozen=True, slots=True)
class _Target:
    scheme: str
    host: str
    port: int
    path: str

    @property
    def name(self) -> str:
        """How it is called in an error: the path may be a secret."""
        return f"{self.host}:{self.port}"

    @property
    def host_header(self) -> bytes:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return (host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}").encode()


def check_url(url: str) -> None:
    """Whether an address could be called, by its writing alone: nothing is looked up. Raises TargetRefused."""
    check_host(_target(url).host)


def check_host(host: str) -> None:
    """The same of a host, which may be an address. Raises TargetRefused."""
    _outbound_address.check_written(host)


def connect(host: str, port: int, timeout: float) -> socket.socket:
    """For what is no HTTP, as SMTP or syslog: a connection under the same rules. Raises OutboundError."""
    return _outbound_address.connect(host, port, timeout)


@cache
def trusted(protocol: str = "") -> ssl.SSLContext:
    """The well-known authorities and the ones that this machine has been told of (SSL_CERT_FILE too).

    HTTP has a context of its own: httpcore makes the one that it gets offer HTTP to every server."""
    context = ssl.create_default_context(cafile=certifi.where())
    context.load_default_certs()
    return context


def request(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    content: bytes = b"",
    limits: Limits | None = None,
) -> Answer:
    """One request, one answer below 300 or from 400. Raises OutboundError, TargetRefused."""
    target, limits = _target(url), limits or Limits()
    try:
        answer = _send(method, target, _headers(method, target, headers or {}, content), content, limits)
    except httpcore.TimeoutException:
        raise OutboundError(f"{target.name} did not answer in time") from None
    except (httpcore.NetworkError, httpcore.RemoteProtocolError) as error:
        raise OutboundError(f"the connection to {target.name} failed: {_reason(error)}") from None
    except (httpcore.ProtocolError, ValueError) as error:
        raise OutboundError(
            f"{target.name} cannot be asked like this: {_reason(error)}", permanent=True
        ) from None
    if 300 <= answer.status < 400:
        raise TargetRefused(
            f"{target.name} answered with a redirect ({answer.status}), which is not followed"
        )
    return answer


def _target(url: str) -> _Target:
    if len(url) > _URL_LIMIT:
        raise TargetRefused("the address is too long")
    if any(ord(char) <= 32 or ord(char) == 127 or char == "\\" for char in url):
        raise TargetRefused("the address has a space, a control character or a backslash in it")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        if "[" in parts.netloc:
            IPv6Address(host)
    except ValueError:
        raise TargetRefused("the address is not well formed") from None
    if parts.scheme not in _PORTS:
        raise TargetRefused(f"only http and https can be called, not {parts.scheme[:20] or 'nothing'!r}")
    if "@" in parts.netloc:
        raise TargetRefused("the address has a user or a password in it")
    if port == 0:
        raise TargetRefused("0 is no port")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not path.isascii():
        raise TargetRefused("the address has letters beyond ASCII; write them percent-encoded")
    return _Target(parts.scheme, host_of(host), port or _PORTS[parts.scheme], path)


def _headers(
    method: str, target: _Target, given: Mapping[str, str], content: bytes
) -> list[tuple[bytes, bytes]]:
    """Ours win: an answer is neither compressed nor kept open, and the host is the one that was checked."""
    own = {b"host": target.host_header, b"accept-encoding": b"identity", b"connection": b"close"}
    if content or method not in ("GET", "HEAD"):
        own[b"content-length"] = str(len(content)).encode()
    sent = {name.lower().encode("ascii"): value.encode("latin-1") for name, value in given.items()}
    sent.pop(b"transfer-encoding", None)
    return list(({b"user-agent": _USER_AGENT} | sent | own).items())


def _send(
    method: str, target: _Target, headers: list[tuple[bytes, bytes]], content: bytes, limits: Limits
) -> Answer:
    deadline = time.monotonic() + limits.total
    url = httpcore.URL(
        scheme=target.scheme.encode(),
        host=target.host.encode(),
        port=target.port,
        target=target.path.encode(),
    )
    timeouts = {"connect": limits.connect, "read": limits.read, "write": limits.read, "pool": limits.connect}
    with (
        httpcore.ConnectionPool(
            ssl_context=trusted("http"), network_backend=_Network(deadline), http2=False
        ) as pool,
        pool.stream(
            method, url, headers=headers, content=content, extensions={"timeout": timeouts}
        ) as response,
    ):
        body = b""
        for piece in response.iter_stream():
            body += piece
            if len(body) >= limits.answer:
                break
        named = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}
        return Answer(response.status, named, body[: limits.answer])


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


class _Network(httpcore.NetworkBackend):
    """Connects to checked addresses only, and lets nothing take longer than the deadline."""

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline

    def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, *_args: Any, **_options: Any
    ) -> httpcore.NetworkStream:
        left = _left(self.deadline, timeout, httpcore.ConnectTimeout)
        return _Stream(connect(host, port, left), self.deadline)


def _left(deadline: float, timeout: float | None, too_late: type[Exception]) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise too_late("the time for all of it is over")
    return left if timeout is None else min(left, timeout)


class _Stream(httpcore.NetworkStream):
    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self.sock, self.deadline = sock, deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        self.sock.settimeout(_left(self.deadline, timeout, httpcore.ReadTimeout))
        try:
            return self.sock.recv(max_bytes)
        except TimeoutError as error:
            raise httpcore.ReadTimeout(str(error)) from None
        except OSError as error:
            raise httpcore.ReadError(str(error)) from None

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        left = memoryview(buffer)
        try:
            while left:
                self.sock.settimeout(_left(self.deadline, timeout, httpcore.WriteTimeout))
                left = left[self.sock.send(left) :]
        except TimeoutError as error:
            raise httpcore.WriteTimeout(str(error)) from None
        except OSError as error:
            raise httpcore.WriteError(str(error)) from None

    def close(self) -> None:
        self.sock.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        self.sock.settimeout(_left(self.deadline, timeout, httpcore.ConnectTimeout))
        try:
            return _Stream(ssl_context.wrap_socket(self.sock, server_hostname=server_hostname), self.deadline)
        except TimeoutError as error:
            raise httpcore.ConnectTimeout(str(error)) from None
        except OSError as error:
            self.sock.close()
            raise httpcore.ConnectError(str(error)) from None

    def get_extra_info(self, info: str) -> Any:
        return self.sock if info == "socket" else None
