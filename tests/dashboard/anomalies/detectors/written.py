"""Writes of a stream as facts, for tests of the detectors that judge them."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import count
from typing import Any

from dashboard.anomalies.detectors.base import Detector, Found, NotChecked
from dashboard.lib.clock import NS_PER_S
from streams.facts import ChunkFact, RunFacts, StreamFacts
from streams.ledger import STORED, WriteFact, WriteLedger
from tests.examples import NOW_NS, RUN_ID, STREAM

OVER = RunFacts(RUN_ID, "workflow//./chat//turn", "completed", "4.8.9", NOW_NS - 60 * NS_PER_S)
RUNNING = RunFacts(RUN_ID, status="running")
_numbers = count(1)


def fact(
    step: str = "A", *, arrival: int | None = None, at: float = 0, took: float | None = 0.5, **fields: Any
) -> WriteFact:
    """A write of step `A`, by default stored if it has an arrival. `at` and `took` are seconds."""
    number, attempt = next(_numbers), fields.get("attempt", 1)
    process = fields.get("process", "app")
    values: dict[str, Any] = {
        "pk": number, "process": process, "number": number, "place": 0, "outcome": STORED, "is_close": False,
        "is_sent": True, "called_ns": NOW_NS + int((at - 100) * NS_PER_S),
        "took_ns": None if took is None else int(took * NS_PER_S), "size": 10, "error": "", "status": None,
        "is_overlapping": False, "acquired": None, "order": None, "sequence": fields.get("order"), "arrival": arrival,
        "chunk_id": "" if arrival is None else f"chnk_{arrival - 1:026}", "writer": 1, "known": "step only",
        "run_id": RUN_ID if step else "", "step_id": f"step_{step}" if step else "",
        "step_name": f"step//./app//step{step}" if step else "", "attempt": attempt,
        "scope": f"{process} {step} {attempt}",
    }  # fmt: skip
    return WriteFact(**(values | fields))


def stream_of(*facts: WriteFact, run: RunFacts | None = OVER, **fields: Any) -> StreamFacts:
    return StreamFacts(STREAM, run, True, writes=ledger_of(*facts), **fields)


def ledger_of(*facts: WriteFact) -> WriteLedger:
    ledger = WriteLedger()
    ledger.put(facts)
    return ledger


def asked(
    detector: type[Detector], stream: StreamFacts, chunks: Iterable[ChunkFact] = (), now_ns: int = NOW_NS
) -> list[Found | NotChecked]:
    one = detector()
    for chunk in chunks:
        one.feed(chunk)
    return list(one.finish(stream, now_ns))


def found_in(detector: type[Detector], stream: StreamFacts, chunks: Iterable[ChunkFact] = ()) -> Found:
    (found,) = asked(detector, stream, chunks)
    assert isinstance(found, Found)
    return found
