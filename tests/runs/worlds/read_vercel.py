"""Reading a Vercel project as the product does: everything that a look gives is recorded as it comes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from runs.observations import Observation
from runs.worlds.base import Seen
from runs.worlds.vercel import VercelWorld
from streams.seen import remember
from tests.vercel_worlds import VercelServer


@contextmanager
def opened(server: VercelServer, token: str = "", **more: Any) -> Iterator[VercelWorld]:
    world = VercelWorld(server.location(**more), token or server.token)
    yield world
    world.close()


def read(
    world: VercelWorld, seen: Seen | None = None, hints: frozenset[str] | None = None
) -> list[Observation]:
    seen = Seen() if seen is None else seen
    found: list[Observation] = []
    for batch in world.read(seen, hints):
        remember(seen, batch)
        found += batch
    return found


def of(kind: type[Any], found: list[Observation]) -> list[Any]:
    return [one for one in found if type(one) is kind]
