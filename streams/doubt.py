"""What a look at a large world has to have seen before a write counts as lost.

Such a look goes where something happens, not everywhere: a chunk may lie in a stream that nobody speaks of any more.
"""

from __future__ import annotations

from django.db.models import Min

from dashboard.lib.clock import NS_PER_MS
from runs.worlds._places import stream_place
from runs.worlds.base import WORLDS
from streams.writes import open_writes


def places_in_doubt(world_id: int) -> frozenset[str]:
    """The streams in which acknowledged writes have no chunk yet, each from its first such write on."""
    rows = (
        open_writes()
        .filter(stream__world=world_id)
        .values_list("stream__name")
        .annotate(since=Min("called_ns"))
    )
    return frozenset(stream_place(name, since // NS_PER_MS) for name, since in rows)


def kinds_read_where_watched() -> list[str]:
    return [kind for kind, adapter in WORLDS.found.items() if adapter.is_read_where_watched]
