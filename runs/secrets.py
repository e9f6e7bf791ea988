"""The secret of a world (a password, a token), sealed at rest; and the adapter that is given it.

A secret is never shown again and never logged. Where none is stored, the variable that the kind names is asked.
"""

from __future__ import annotations

import os

from dashboard.lib.database import write_transaction
from dashboard.lib.sealing import SealError, open_sealed, seal
from runs.managed import is_current
from runs.models import World
from runs.worlds.base import WORLDS, WorldError
from runs.worlds.base import World as Adapter


def adapter_of(world: World) -> Adapter:
    """The adapter of a world. Raises WorldError: nothing reads it any more, or its secret cannot be opened."""
    if not is_current(world):
        raise WorldError(
            "this world is no longer read: it is an archive of what was read before", permanent=True
        )
    kind = WORLDS.found.get(world.kind)
    if kind is None:
        raise WorldError(f"nothing here reads worlds of kind {world.kind!r}", permanent=True)
    return kind(world.location, secret_of(world))


def secret_of(world: World) -> str:
    """Empty where the world has none. Raises WorldError where it cannot be opened."""
    kind = WORLDS.found.get(world.kind)
    if world.sealed is None:
        return os.environ.get(kind.secret_variable, "") if kind and kind.secret_variable else ""
    try:
        return open_sealed(bytes(world.sealed), _purpose(world.pk)).decode()
    except SealError as error:
        raise WorldError(f"the stored secret of this world cannot be used: {error}", permanent=True) from None


def keep_secret(world: World, secret: str) -> None:
    """Seals and stores it in place of the one before; an empty one forgets it. Raises SealError."""
    world.sealed = seal(secret.encode(), _purpose(world.pk)) if secret else None
    with write_transaction():
        World.objects.filter(pk=world.pk).update(sealed=world.sealed)


def _purpose(world_id: int) -> str:
    return f"secret of world {world_id}"
