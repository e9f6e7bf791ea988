"""Chunks that are not stored in the order in which their writer wrote them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import ClassVar

from dashboard.anomalies.detectors._came import APART_NS, TELLS_WHEN, CameOrder
from dashboard.anomalies.detectors.base import (
    LABELS,
    ChunkRef,
    Detector,
    Found,
    NotChecked,
    Severity,
    Upstream,
    labels_of,
    step_label,
)
from dashboard.lib.clock import NS_PER_MS
from streams.facts import ChunkFact, StreamFacts
from streams.ledger import WriteFact, WriteLedger


class OutOfOrder(Detector):
    """## What it does
    Compares, for each step attempt, the order of its writes with the order in which the chunks are stored, and
    names the smallest set of chunks that moved. Proved where the writer's order is known exactly, or where
    the order of its calls and the message's grammar say the same; suspected from the order of calls alone.

    Where nobody reports writes, but a database says when each row came (PostgreSQL), it compares that with the order
    of the chunk ids, which each writing process makes by its own clock. Then it is suspected.

    ## Why it matters
    Readers get the stored order: this is the scrambled text that users report (vercel/workflow#2058).

    ## Example
        by=A:0,A:2,A:1 "a" "c" "b" close -> out_of_order(1)
        by=A#1,A#3,A#2 "a" "c" "b" close -> out_of_order(1)
        by=A:0,A:1,A:2 "a" "b" "c" close -> nothing
        by=A:0,B:0,A:1,B:1 "a" "x" "b" "y" close -> nothing

        world=postgres at=9,5,8,4 "a" "b" "c" close -> live_reader_diverges(1) out_of_order(2)
        world=postgres at=9,8,5,4 "a" "b" "c" close -> nothing

    ## Needs
    A probe's reports and the stored chunks. In exact mode the order of every writer is known. Without a probe:
    a database's `created_at`.

    ## False alarms
    Chunks of different steps, attempts or processes have no order between them and are not compared. By
    `created_at` alone they cannot be told apart: writes of one process that waited for a connection look as those
    of processes whose clocks differ. As long as none took half a second more than another from its writer to the
    database, it is for your information only.
    """

    kind: ClassVar[str] = "out_of_order"
    severity: ClassVar[Severity] = "error"
    needs: ClassVar[frozenset[str]] = frozenset({"chunks"})
    fix: ClassVar[str] = (
        "Write all chunks of a step through one writer: call getWritable() once and keep its writer, "
        "or update to workflow 5.x."
    )
    upstream: ClassVar[tuple[Upstream, ...]] = (
        Upstream("vercel/workflow#2058", "getWritable() for each write scrambles the order"),
        Upstream("vercel/workflow#2086", "the fix: one cached writable a step and stream"),
    )
    sdk_affected: ClassVar[str] = "4.x up to 4.8.9, and 5.0.0-beta.5"
    sdk_fixed: ClassVar[str] = "5.0.0-beta.39"

    def __init__(self) -> None:
        self._came = CameOrder()

    def feed(self, chunk: ChunkFact) -> None:
        self._came.feed(chunk)

    def finish(self, stream: StreamFacts, now_ns: int) -> Iterator[Found | NotChecked]:
        if stream.writes is not None:
            yield from self._by_writers(stream, stream.writes)
        elif stream.world not in TELLS_WHEN:
            yield NotChecked(self.kind, "not checked here: no probe reported who writes to this stream")
        elif self._came.behind and not stream.is_system:
            yield self._by_times(stream)

    def _by_times(self, stream: StreamFacts) -> Found:
        """Never proved: who wrote which chunk is not known."""
        came = self._came
        behind = f"{came.behind} chunks lie" if came.behind > 1 else "A chunk lies"
        return Found(
            self.kind,
            "info" if came.apart_ns < APART_NS else "warning",
            "suspected",
            f"{behind} behind chunks that the database got up to {came.longest_ns / NS_PER_MS:,.0f} ms later.",
            run_id=stream.run.run_id if stream.run else "",
            stream=stream.name,
            chunks=tuple(came.refs),
            evidence={
                "behind": came.behind,
                "longest_ms": round(came.longest_ns / NS_PER_MS, 3),
                "clocks_apart_ms": round(came.apart_ns / NS_PER_MS, 3),
                "order_known_from": "the time at which the database got each chunk",
            },
            missing=("who wrote each chunk, and in which order (the probe)",),
        )

    def _by_writers(self, stream: StreamFacts, ledger: WriteLedger) -> Iterator[Found]:
        if stream.is_system or not ledger.order.moved:
            return
        order = ledger.order
        of_arrival = {one.arrival: one for one in ledger.facts if one.arrival in order.moved}
        moved = sorted(of_arrival.values(), key=lambda one: one.chunk_id)
        exact = any(order.moved.values())
        proved = exact or _grammar_agrees(stream, ledger)
        steps = Counter(step_label(one.step_name, one.step_id) for one in moved)
        yield Found(
            self.kind,
            self.severity if proved else "warning",
            "proved" if proved else "suspected",
            _message(moved, steps, proved),
            run_id=stream.run.run_id if stream.run else moved[0].run_id,
            stream=stream.name,
            step_id=moved[0].step_id,
            chunks=tuple(ChunkRef(one.chunk_id, None, one.arrival or 0) for one in moved),
            evidence={
                "moved": len(moved),
                "steps": dict(steps.most_common(LABELS)),
                "order_known_from": "the writer" if exact else "the order of calls",
                "sequences": [one.sequence for one in moved[:100]],
            },
            missing=() if proved else ("the writer's own order (the probe's exact mode)",),
        )


def _grammar_agrees(stream: StreamFacts, ledger: WriteLedger) -> bool:
    """The message's grammar too says that chunks of such a step moved, if not always the same ones."""
    order = ledger.order
    misplaced = stream.misplaced.keys() - order.known
    steps = set(order.steps.values())
    return bool(misplaced) and any(one.by in steps for one in ledger.facts if one.arrival in misplaced)


def _message(moved: list[WriteFact], steps: Counter[str], proved: bool) -> str:
    count = f"{len(moved)} chunks are" if len(moved) > 1 else "A chunk is"
    by = labels_of(steps)
    sure = "" if proved else ", by the order of its calls"
    return f"{count} not stored where step {by} wrote {'them' if len(moved) > 1 else 'it'}{sure}."
