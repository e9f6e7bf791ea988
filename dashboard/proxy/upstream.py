"""Where the backend is."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

CONNECT_WITHIN = 10.0


class BadAddress(ValueError):
    """An address that cannot be used; the text says why."""


@dataclass(frozen=True)
class Upstream:
    """The backend's URL, taken apart. `path` stands before what the app asks for and has no slash at its end."""

    host: str
    port: int
    tls: bool
    path: str

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://{self.authority}{self.path}"

    async def connect(self, context: ssl.SSLContext) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        opening = asyncio.open_connection(self.host, self.port, ssl=context if self.tls else None)
        return await asyncio.wait_for(opening, CONNECT_WITHIN)


def read_upstream(url: str) -> Upstream:
    """Says what is wrong without repeating the URL: it may hold a token."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise BadAddress(f"this is not a URL: {error}") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise BadAddress("a URL starts with https:// or http:// and has a host")
    if parts.username or parts.password:
        raise BadAddress("the URL may hold no user and no password: the app's own tokens are passed on")
    if parts.query or parts.fragment:
        raise BadAddress("the URL may have no query and no fragment: what the app asks for is added to it")
    tls = parts.scheme == "https"
    return Upstream(parts.hostname, port or (443 if tls else 80), tls, parts.path.rstrip("/"))


def read_listen(text: str) -> tuple[str, int]:
    """`127.0.0.1:8010`, `[::1]:8010` or only a port; port 0 takes any that is free."""
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]") or "127.0.0.1"
    if not port.isdecimal() or int(port) > 65535:
        raise BadAddress(f"{text} is not an address and a port, such as 127.0.0.1:8010")
    return host, int(port)


def is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
