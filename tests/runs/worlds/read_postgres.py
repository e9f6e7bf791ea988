"""Reading a PostgreSQL world in tests of its adapter."""

from __future__ import annotations

from runs.observations import (
    ChunkSeen,
    EventSeen,
    HookSeen,
    Observation,
    RunSeen,
    StepSeen,
    StreamSeen,
    Unreadable,
    WaitSeen,
)
from runs.worlds.base import Seen
from runs.worlds.postgres import PostgresWorld
from tests.runs.worlds.conformance import all_of


def read(url: str, seen: Seen | None = None) -> list[Observation]:
    world = PostgresWorld(url)
    try:
        return all_of(world, Seen() if seen is None else seen)
    finally:
        world.close()


def of(kind: type, found: list[Observation]) -> dict:
    """The last of each by its id."""
    names = {RunSeen: "run_id", StepSeen: "step_id", EventSeen: "event_id", HookSeen: "hook_id", WaitSeen: "wait_id",
             ChunkSeen: "chunk_id", StreamSeen: "name", Unreadable: "where"}  # fmt: skip
    return {getattr(one, names[kind]): one for one in found if type(one) is kind}
