"""Where outbound traffic may go: which hosts are well written, which addresses are public, what a setting allows."""

from __future__ import annotations

import ipaddress
import re
import socket
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

VARIABLE = "TAILRACE_OUTBOUND_ALLOW"
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)$")
_NUMERIC = re.compile(r"(0[xX][0-9A-Fa-f]*|[0-9]+)$")
_MOST_TRIED = 4  # addresses of one host
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_REFUSED = tuple(
    (ipaddress.ip_network(network), why)
    for network, why in (
        ("169.254.169.254/32", "the metadata address of a cloud host"),
        ("169.254.170.2/32", "the metadata address of a cloud host"),
        ("100.100.100.200/32", "the metadata address of a cloud host"),
        ("168.63.129.16/32", "the metadata address of a cloud host"),
        ("192.0.0.192/32", "the metadata address of a cloud host"),
        ("fd00:ec2::/32", "the metadata address of a cloud host"),
        ("0.0.0.0/8", "an address of this machine"),
        ("127.0.0.0/8", "a loopback address"),
        ("::1/128", "a loopback address"),
        ("::/128", "an address of this machine"),
        ("169.254.0.0/16", "a link-local address"),
        ("fe80::/10", "a link-local address"),
        ("10.0.0.0/8", "a private address"),
        ("172.16.0.0/12", "a private address"),
        ("192.168.0.0/16", "a private address"),
        ("fc00::/7", "a private address"),
        ("fec0::/10", "a private address"),
        ("100.64.0.0/10", "a shared address of a provider's network"),
        ("192.88.99.0/24", "the address of a tunnel"),
        ("224.0.0.0/4", "a multicast address"),
        ("ff00::/8", "a multicast address"),
        ("::/96", "an IPv4 address in IPv6 form"),
        ("2001::/32", "the address of a tunnel"),
        ("64:ff9b:1::/48", "a private address"),
        ("255.255.255.255/32", "the broadcast address"),
    )
)


class OutboundError(Exception):
    """Nothing was sent, or no proper answer came; one sentence without secrets. `permanent`: trying again is no use."""

    def __init__(self, message: str, *, permanent: bool = False) -> None:
        super().__init__(message)
        self.permanent = permanent


class TargetRefused(OutboundError):
    """The target is none that may be called. Always permanent."""

    def __init__(self, message: str) -> None:
        super().__init__(message, permanent=True)


@dataclass(frozen=True, slots=True)
class Allowed:
    hosts: frozenset[str]
    networks: tuple[Network, ...]

    def has(self, address: Address) -> bool:
        return any(address.version == net.version and address in net for net in self.networks)


def allowed() -> Allowed:
    """What the setting OUTBOUND_ALLOW lets through, although it is not public."""
    return parse_allowed(tuple(getattr(settings, "OUTBOUND_ALLOW", ())))


@lru_cache(maxsize=8)
def parse_allowed(words: tuple[str, ...]) -> Allowed:
    """Hosts, addresses and networks. Raises ImproperlyConfigured."""
    hosts, networks = set(), []
    for word in words:
        try:
            networks.append(ipaddress.ip_network(word.strip("[]")))
        except ValueError as error:
            if "/" in word or _last_is_number(word):
                raise ImproperlyConfigured(f"{VARIABLE}: {word!r} is no network: {error}") from None
            hosts.add(_host_in_setting(word))
    return Allowed(frozenset(hosts), tuple(networks))


def _host_in_setting(word: str) -> str:
    try:
        return host_of(word).lower()
    except TargetRefused as error:
        raise ImproperlyConfigured(f"{VARIABLE}: {word!r}: {error}") from None


def host_of(host: str) -> str:
    """The host as it is connected to, without a final dot. Raises TargetRefused for what no careful person writes."""
    if not host:
        raise TargetRefused("the address names no host")
    if not host.isascii():
        raise TargetRefused("the host has letters beyond ASCII; write it in its xn-- form")
    if ":" in host:
        return str(_ipv6(host))
    bare = host[:-1] if host.endswith(".") else host
    if len(bare) > 253 or not all(_LABEL.match(label) for label in bare.split(".")):
        raise TargetRefused(f"{host[:80]!r} is no host name")
    if _last_is_number(bare):
        return str(_ipv4(bare))
    return bare


def _last_is_number(host: str) -> bool:
    """By the rule of browsers and resolvers: then the whole host is an IPv4 address, however it is written."""
    return bool(_NUMERIC.match(host.rpartition(".")[2]))


def _ipv4(host: str) -> ipaddress.IPv4Address:
    try:
        return ipaddress.IPv4Address(host)
    except ValueError:
        raise TargetRefused(f"{host[:80]!r} is an odd form of an address; write it as four numbers") from None


def _ipv6(host: str) -> ipaddress.IPv6Address:
    try:
        address = ipaddress.IPv6Address(host)
    except ValueError:
        raise TargetRefused(f"{host[:80]!r} is no IPv6 address") from None
    if address.scope_id is not None:
        raise TargetRefused("an address with a zone belongs to one network card, and is not called")
    return address


def why_refused(address: Address) -> str:
    """What is wrong with an address, as "a loopback address"; empty where it is public."""
    inner = _inside(address)
    if inner is not None:
        why = why_refused(inner)
        return f"{why} in IPv6 form" if why else ""
    for network, why in _REFUSED:
        if address.version == network.version and address in network:
            return why
    return "" if address.is_global and not address.is_multicast else "not a public address"


def _inside(address: Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that an IPv6 one stands for: mapped, 6to4 or NAT64."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour


def lookup(host: str, port: int) -> list[str]:
    """The addresses of a host, as the system resolves it. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def resolve(host: str, port: int, timeout: float) -> tuple[str, ...]:
    """Every address of a host, looked up once and each checked. Raises OutboundError, TargetRefused.

    One refused address refuses the host: which of several is connected to is not left to chance.
    """
    name = host_of(host)
    if not 1 <= port <= 65535:
        raise TargetRefused(f"{port} is no port")
    permits = allowed()
    addresses = _parsed(name, _looked_up(name, port, timeout))
    if name.lower() not in permits.hosts:
        for address in addresses:
            _check(name, address, permits)
    return tuple(str(address) for address in addresses)


def check_written(host: str) -> None:
    """What can be said of a host without looking it up: whether it is well written, and no refused address."""
    name = host_of(host)
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return
    if name not in allowed().hosts:
        _check(name, address, allowed())


def _check(name: str, address: Address, permits: Allowed) -> None:
    inner = _inside(address)
    if permits.has(address) or (inner is not None and permits.has(inner)):
        return
    why = why_refused(address)
    if why:
        where = f"{name} is" if name == str(address) else f"{name} resolves to {address}, which is"
        raise TargetRefused(f"{where} {why}; {VARIABLE} can allow it")


def _looked_up(name: str, port: int, timeout: float) -> list[str]:
    """A resolver that does not answer is left behind in its thread: nothing can stop it."""
    found: list[list[str] | OSError | UnicodeError] = []

    def look() -> None:
        try:
            found.append(lookup(name, port))
        except (OSError, UnicodeError) as error:
            found.append(error)

    thread = threading.Thread(target=look, daemon=True, name="tailrace-resolve")
    thread.start()
    thread.join(timeout)
    if not found:
        raise OutboundError(f"{name} could not be resolved within {timeout:.0f} s")
    if isinstance(found[0], OSError | UnicodeError) or not found[0]:
        raise OutboundError(f"{name} could not be resolved: no such host, or no answer from the name server")
    return found[0]


def _parsed(name: str, texts: Iterable[str]) -> tuple[Address, ...]:
    try:
        return tuple(ipaddress.ip_address(text) for text in texts)
    except ValueError:
        raise TargetRefused(f"{name} resolves to something that is no address") from None


def open_socket(address: str, port: int, timeout: float) -> socket.socket:
    """A TCP connection to one address, never to a name. Raises OSError."""
    return socket.create_connection((address, port), timeout)


def connect(host: str, port: int, timeout: float) -> socket.socket:
    """A TCP connection to the first address of a host that answers. Raises OutboundError, TargetRefused."""
    deadline = time.monotonic() + timeout
    failed: OSError | None = None
    for address in resolve(host, port, timeout)[:_MOST_TRIED]:
        try:
            return open_socket(address, port, max(0.1, deadline - time.monotonic()))
        except OSError as error:
            failed = error
    reason = (
        "no answer in time" if isinstance(failed, TimeoutError) else str(getattr(failed, "strerror", failed))
    )
    raise OutboundError(f"no connection to {host}:{port}: {reason}")
