"""All detectors and the moved chunks of one stream. Pure: for `tailrace scan` and for the live detection."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from dashboard.anomalies.detectors.base import DETECTORS, Detector, Found, NotChecked
from dashboard.anomalies.thresholds import DEFAULTS, Thresholds
from streams.facts import ChunkFact, StreamFacts
from streams.order import MovedChunks

MARKS = "moved"  # the kind under which it is said that the moved chunks could not be told
WRITES = "writes"  # evidence that a stream has where a probe reported on it, whatever its world
_ABSENT = {
    WRITES: "no probe reported who writes to this stream",
    "chunks": "nobody reads the storage of this world",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is known about a stream. `moved`: arrival to whether it is proved."""

    found: list[Found] = field(default_factory=list)
    unchecked: list[NotChecked] = field(default_factory=list)
    moved: dict[int, bool] = field(default_factory=dict)


class StreamJudge:
    """Fed with the chunks of one stream in reading order; may be asked any time, and again."""

    def __init__(
        self, detectors: Iterable[type[Detector]] | None = None, thresholds: Thresholds = DEFAULTS
    ) -> None:
        self._detectors = [one() for one in (DETECTORS.found.values() if detectors is None else detectors)]
        for detector in self._detectors:
            detector.thresholds = thresholds
        self._fed = [one for one in self._detectors if type(one).feed is not Detector.feed]
        self._moved = MovedChunks()
        self._failed: dict[str, str] = {}  # kind to reason: a detector that failed once is not asked again

    def feed(self, chunk: ChunkFact) -> None:
        failed: list[Detector] = []
        for detector in self._fed:
            try:
                detector.feed(chunk)
            except (
                Exception
            ) as error:  # a detector's bug or an unreadable payload must not silence the others
                self._failed[detector.kind] = _reason(error)
                failed.append(detector)
        for detector in failed:
            self._fed.remove(detector)
        if MARKS not in self._failed:
            try:
                self._moved.feed(chunk)
            except Exception as error:  # the same
                self._failed[MARKS] = _reason(error)

    def judge(self, stream: StreamFacts, now_ns: int, supplies: frozenset[str]) -> Verdict:
        """`supplies` names the evidence that the world has; a detector that needs more is not asked."""
        verdict = Verdict()
        misplaced: dict[int, bool] = {}
        if MARKS in self._failed:
            verdict.unchecked.append(_not_checked(MARKS, stream, self._failed[MARKS]))
        else:
            misplaced = self._moved.moved()
        stream = replace(stream, misplaced=misplaced)
        verdict.moved.update(_moved(stream))
        if stream.writes is not None:
            supplies |= {WRITES}
        for detector in self._detectors:
            for result in self._ask(detector, stream, now_ns, supplies):
                if isinstance(result, Found):
                    verdict.found.append(result)
                else:
                    verdict.unchecked.append(result)
        return verdict

    def _ask(
        self, detector: Detector, stream: StreamFacts, now_ns: int, supplies: frozenset[str]
    ) -> Iterator[Found | NotChecked]:
        missing = sorted(detector.needs - supplies)
        if missing:
            reason = "; ".join(_ABSENT.get(what, f"this world does not supply {what}") for what in missing)
            yield NotChecked(detector.kind, f"not checked here: {reason}")
        elif detector.kind in self._failed:
            yield _not_checked(detector.kind, stream, self._failed[detector.kind])
        else:
            try:
                yield from list(detector.finish(stream, now_ns))
            except Exception as error:  # at this edge, as in `feed`
                yield _not_checked(detector.kind, stream, _reason(error))


def _moved(stream: StreamFacts) -> dict[int, bool]:
    """Against the writers' order where it is known, else against the message grammar."""
    if stream.writes is None:
        return dict(stream.misplaced)
    order = stream.writes.order
    by_grammar = {at: sure for at, sure in stream.misplaced.items() if at not in order.known}
    by_writers = {at: sure or stream.misplaced.get(at, False) for at, sure in order.moved.items()}
    return by_grammar | by_writers


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:300]


def _not_checked(kind: str, stream: StreamFacts, reason: str) -> NotChecked:
    return NotChecked(kind, f"{stream.name}: {reason}", stream.name, stream.run.run_id if stream.run else "")
