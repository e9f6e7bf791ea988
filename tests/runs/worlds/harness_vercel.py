"""A Vercel project: a stand-in for its server with what the real client has sent, one run of which is still at work."""

from __future__ import annotations

import pickle
from typing import ClassVar

from runs.worlds import _vercel_live, _vercel_state
from runs.worlds._vercel_chunks import chunk_id_of, close_id_of
from runs.worlds.vercel import VercelWorld
from tests.lab.vercel.store import Stream
from tests.runs.worlds.conformance import Harness
from tests.vercel_worlds import VercelServer, recorded

FOR_EVER = 10**9


class Vercel(Harness):
    hints = False
    typed = (
        "vercel:team/project",
        "vercel:team_1/prj_2?environment=preview&token={secret}",
        "vercel:team/project?url=https%3A%2F%2Fexample.org%2Fv1",
    )
    again_s: ClassVar[float] = _vercel_live.AGAIN_S

    def setup(self) -> None:
        _vercel_state.forget()
        _vercel_live.AGAIN_S = 0.1
        self.server = VercelServer(recorded("vercel-4.1.2"))
        self.server.__enter__()
        self.secret = self.server.token  # type: ignore[misc]
        store = self.server.store
        self.run_id, self.name = next(
            key for key, one in store.streams.items() if one.end is None or one.chunks
        )
        self.open.end = None
        store.runs[self.run_id] |= {"status": "running", "completedAt": None}

    @property
    def open(self) -> Stream:
        return self.server.store.streams[self.run_id, self.name]

    def adapter(self) -> VercelWorld:
        return VercelWorld(self.server.location(), self.server.token)

    def chunk_ids(self) -> set[tuple[str, str]]:
        found = set(self.fetchable())
        for (_, name), one in self.server.store.streams.items():
            if one.end is not None:
                found.add((name, close_id_of(len(one.visible()))))
        return found

    def fetchable(self) -> list[tuple[str, str]]:
        streams = self.server.store.streams.items()
        return [(name, chunk_id_of(at)) for (_, name), one in streams for at in range(len(one.visible()))]

    def run_ids(self) -> set[str]:
        return set(self.server.store.runs)

    def append(self, count: int = 1) -> None:
        with self.server.store.lock, self.open.changed:
            self.open.chunks += [b"%d" % (len(self.open.chunks) + at) for at in range(count)]
            self.open.changed.notify_all()

    def payload(self, stream: str, chunk_id: str) -> bytes:
        found = {name: one for (_, name), one in self.server.store.streams.items()}
        return found[stream].visible()[int(chunk_id.removeprefix("chnk_")) - 1]

    def vanish(self) -> None:
        self.server.fail(503, times=FOR_EVER)

    def restore(self) -> None:
        self.server.faults.clear()

    def snapshot(self) -> object:
        store = self.server.store
        chunks = {key: (one.chunks, one.end) for key, one in store.streams.items()}
        return pickle.dumps((store.runs, store.steps, store.hooks, store.waits, store.events, chunks))

    def close(self) -> None:
        _vercel_live.AGAIN_S = self.again_s
        self.server.faults.clear()
        self.server.__exit__(None, None, None)
        _vercel_state.forget()
