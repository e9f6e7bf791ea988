"""Who sends a batch, and which world it means.

A token decides by itself. Without one only a process of this machine may send, to a dashboard that nobody signs
in to, and no web page may: a browser would carry its request here from loopback too.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from django.conf import settings
from django.http import HttpRequest

from dashboard.api._refused import Refused
from dashboard.worlds.known import TooManyWorlds, find_or_make_world, served_world
from runs import tokens
from runs.managed import is_current
from runs.models import ProbeToken, World
from runs.worlds.bundle import BundleWorld

NEEDS_TOKEN = "A token is needed: make one on the Connect page of this dashboard and set TAILRACE_TOKEN."
_FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Real-Ip")


@dataclass(frozen=True, slots=True)
class Sender:
    key: str  # what its rate is counted under
    token: ProbeToken | None  # None: on loopback


def find_sender(request: HttpRequest) -> Sender:
    """Raises Refused with 401 or 403."""
    authorization = request.headers.get("Authorization")
    if authorization is not None:
        return _by_token(authorization)
    if settings.SIGN_IN or not is_loopback(request.META.get("REMOTE_ADDR") or ""):
        raise Refused(401, NEEDS_TOKEN)
    if any(name in request.headers for name in _FORWARDED):
        raise Refused(401, f"This came through a proxy. {NEEDS_TOKEN}")
    origin = request.headers.get("Origin")
    if origin is not None and origin != f"{request.scheme}://{request.get_host()}":
        raise Refused(403, "A page of another site may not report here.")
    return Sender("loopback", None)


def find_world(sender: Sender, name: str) -> World:
    """Raises Refused: 403 where the token is for another world or nothing may be added to the one meant,
    400 where nothing says which is meant."""
    world = _meant(sender, name)
    if not is_current(world):
        raise Refused(403, f"The world {world.slug} is an archive: nothing is added to it.")
    if world.kind == BundleWorld.kind:
        raise Refused(403, f"The world {world.slug} is a bundle of evidence: nothing is added to it.")
    return world


def _meant(sender: Sender, name: str) -> World:
    if sender.token is not None:
        world = sender.token.world
        if name and name not in (world.slug, world.name):
            raise Refused(403, f"This token is for the world {world.slug}, not for the one named.")
        return world
    if not name:
        return _served_world()
    try:
        return find_or_make_world(name)
    except TooManyWorlds as error:
        raise Refused(400, str(error)) from None


def is_loopback(address: str) -> bool:
    """127.0.0.0/8, ::1, and the former as IPv6 writes it."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    return (getattr(found, "ipv4_mapped", None) or found).is_loopback


def _by_token(authorization: str) -> Sender:
    scheme, _, plain = authorization.partition(" ")
    token = tokens.find(plain.strip()) if scheme.lower() == "bearer" else None
    if token is None:
        raise Refused(401, "This token is not known here.")
    if token.revoked_ns is not None:
        raise Refused(403, "This token was revoked.")
    return Sender(f"token {token.pk}", token)


def _served_world() -> World:
    world = served_world()
    if world is None:
        raise Refused(400, "Name the world with TAILRACE_WORLD_NAME: this dashboard serves none by itself.")
    return world
