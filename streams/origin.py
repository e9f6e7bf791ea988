"""The kind of world in which a stream was written: of a bundle, that of the world which it was made from."""

from __future__ import annotations

from functools import lru_cache

from runs.models import World
from runs.worlds.base import WorldError
from runs.worlds.bundle import BundleWorld

_ROOM = 64  # bundles that are open at a time are few


def origin_kind(world: World) -> str:
    """Decides which rules its readers follow, and how they were told of chunks. "" where a bundle does not say."""
    return world.kind if world.kind != BundleWorld.kind else _of_bundle(world.location)


@lru_cache(maxsize=_ROOM)
def _of_bundle(location: str) -> str:
    try:
        about = BundleWorld(location).manifest().get("world")
    except WorldError:
        return ""
    kind = about.get("kind") if isinstance(about, dict) else None
    return kind[:40] if isinstance(kind, str) else ""
