"""A world that is known only from what its app pushes: nothing comes out of reading it."""

from __future__ import annotations

from runs.worlds.probe import ProbeWorld
from tests.runs.worlds.conformance import Harness


class Probe(Harness):
    is_read = grows = watches = vanishes = hints = False

    def setup(self) -> None:
        pass

    def adapter(self) -> ProbeWorld:
        return ProbeWorld("an app")

    def chunk_ids(self) -> set[tuple[str, str]]:
        return set()

    def run_ids(self) -> set[str]:
        return set()

    def snapshot(self) -> object:
        return None
