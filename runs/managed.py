"""What people did with a world: left it alone, made it an archive, had it removed. No adapter knows of it.

`World.paused_ns` is set in all three cases (a constraint holds it), so whoever asks only whether a world is being read
needs no other column.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from django.db.models import Q, QuerySet

from runs.models import World

KNOWN = Q(removing_ns=None)  # there for people to look at
CURRENT = Q(archived_ns=None, removing_ns=None)  # found by place or name, followed, pushed to


def standing(world: World) -> str:
    """`followed`, `paused`, `archived` or `removed`."""
    if world.removing_ns is not None:
        return "removed"
    if world.archived_ns is not None:
        return "archived"
    return "followed" if world.paused_ns is None else "paused"


def is_current(world: World) -> bool:
    """It may be read or pushed to: it is neither an archive nor being removed."""
    return world.archived_ns is None and world.removing_ns is None


def state_of(worlds: World | Iterable[World]) -> str:
    """What a page of these worlds was rendered with, to be compared: another one means that it is to be looked at."""
    each = [worlds] if isinstance(worlds, World) else worlds
    state = [
        (one.pk, one.generation, one.trouble, one.name, one.paused_ns, one.archived_ns, one.removing_ns)
        for one in sorted(each, key=lambda one: one.pk)
    ]
    return hashlib.sha256(repr(state).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def removing() -> QuerySet[World]:
    """For lists of all worlds, as a subquery: what is being deleted is no longer shown."""
    return World.objects.exclude(KNOWN)
