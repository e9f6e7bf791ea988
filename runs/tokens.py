"""Tokens with which an app's probe may write to one world, and do nothing else.

A token is shown once, when it is made. The database has its SHA-256: it is 256 random bits, so no slower hash
is needed, and finding it is one look into an index whatever was sent.
"""

from __future__ import annotations

import hashlib
import secrets

from dashboard.lib.clock import NS_PER_S, now_ns
from dashboard.lib.database import clean, write_transaction
from runs.models import ProbeToken, World

PREFIX = "trp_"
HINT_CHARS = len(PREFIX) + 6
SAME_USE_NS = 60 * NS_PER_S  # `last_used_ns` is right to within this
SHOWN = 100


def create(world: World, name: str, created_by: str = "") -> tuple[ProbeToken, str]:
    """The row, and the token itself, which nothing can tell again."""
    plain = PREFIX + secrets.token_urlsafe(32)
    token = ProbeToken(
        world=world,
        name=clean(name.strip() or "probe", 100),
        hash=_hash(plain),
        hint=plain[:HINT_CHARS],
        created_ns=now_ns(),
        created_by=clean(created_by, 150),
    )
    with write_transaction():
        token.save()
    return token, plain


def revoke(token_id: int, world: World | None = None) -> bool:
    """Whether there was one to revoke (in that world, where one is given)."""
    tokens = ProbeToken.objects.filter(pk=token_id, revoked_ns=None)
    if world is not None:
        tokens = tokens.filter(world=world)
    with write_transaction():
        return tokens.update(revoked_ns=now_ns()) > 0


def find(plain: str) -> ProbeToken | None:
    """Also a revoked one: it is refused with another answer than one that never was."""
    return ProbeToken.objects.select_related("world").filter(hash=_hash(plain)).first()


def note_use(token: ProbeToken) -> None:
    """Once a minute: not a write for every batch."""
    now = now_ns()
    if token.last_used_ns is None or now - token.last_used_ns >= SAME_USE_NS:
        with write_transaction():
            ProbeToken.objects.filter(pk=token.pk).update(last_used_ns=now)


def of_world(world_id: int) -> list[ProbeToken]:
    """The newest first, those in force before the revoked."""
    tokens = list(ProbeToken.objects.filter(world_id=world_id).order_by("-id")[:SHOWN])
    return sorted(tokens, key=lambda token: token.revoked_ns is not None)


def _hash(plain: str) -> str:
    return hashlib.sha256(plain.encode("utf-8", "replace")).hexdigest()
