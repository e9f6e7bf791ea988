"""What the page of worlds shows of each: state, lag, counts and facts, by a handful of index look-ups a world."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from dashboard.worlds.manage import shown_place
from runs.managed import standing
from runs.models import Run, World
from runs.worlds.base import WORLDS, Fact, has_times, supplies_of
from streams.models import Chunk, Stream

COUNTED = 10_000  # runs and streams are counted up to here
FACTS = 30
TEXT = 400


@dataclass(frozen=True, slots=True)
class WorldRow:
    world: World
    label: str  # of its kind
    place: str
    standing: str  # followed, paused, archived, removed
    is_read: bool  # somebody reads its storage; else its app pushes
    runs: str
    streams: str
    stored_ns: int | None  # when its newest chunk was stored, by the world's clock
    has_times: bool  # it tells when a chunk was stored; else that is when we saw it
    behind_ns: int | None  # how much later, by our clock, we had it; None of one from before it was added
    facts: list[Fact]


def world_rows(only: int | None = None) -> list[WorldRow]:
    worlds = World.objects.order_by("name", "id")
    return [row_of(world) for world in (worlds if only is None else worlds.filter(pk=only))]


def row_of(world: World) -> WorldRow:
    kind = WORLDS.found.get(world.kind)
    stored_ns, behind_ns = _newest(world)
    return WorldRow(
        world=world,
        label=kind.label if kind is not None else "",
        place="" if world.removing_ns else shown_place(world),
        standing=standing(world),
        is_read="chunks" in supplies_of(world.kind),
        runs=_counted(Run.objects.filter(world=world)),
        streams=_counted(Stream.objects.filter(world=world)),
        stored_ns=stored_ns,
        has_times=has_times(world.kind),
        behind_ns=behind_ns,
        facts=facts_of(world.facts) if is_well(world) else [],  # else they are of a time before
    )


def is_well(world: World) -> bool:
    return standing(world) == "followed" and not world.trouble


def facts_of(stored: Any) -> list[Fact]:
    """What an adapter found out, as it was stored: whatever is not of that form is left out."""
    rows: Iterable[Any] = stored if isinstance(stored, list) else ()
    good = [one for one in rows if isinstance(one, dict) and one.get("label")]
    return [
        Fact(_text(one, "label"), _text(one, "value"), _text(one, "hint"), one.get("is_warning") is True)
        for one in good[:FACTS]
    ]


def _text(fact: dict[str, Any], key: str) -> str:
    value = fact.get(key)
    return "" if value is None else str(value)[:TEXT]


def _counted(rows: Any) -> str:
    """`10,000+` from there on: counting a million rows would make every refresh slow."""
    number = rows.order_by()[: COUNTED + 1].values("pk").count()
    return f"{COUNTED:,}+" if number > COUNTED else f"{number:,}"


def _newest(world: World) -> tuple[int | None, int | None]:
    """Of the stream that was written last, its last arrival."""
    newest = Stream.objects.filter(world=world, latest_ns__gt=0).order_by("-latest_ns", "-id")
    stream = newest.values_list("pk", "head").first()
    if stream is None:
        return None, None
    chunk = Chunk.objects.filter(stream=stream[0], arrival=stream[1]).values_list("stored_ns", "observed_ns")
    found = chunk.first()
    if found is None:
        return None, None
    stored_ns, observed_ns = found
    is_old = stored_ns < world.created_ns  # how late it was here tells nothing of how well it is followed
    return stored_ns, None if is_old else max(0, observed_ns - stored_ns)
