"""The contract of a detector: a rule that is fed facts and yields findings. Pure: no database, no clock of its own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import ClassVar, Literal, NamedTuple

from dashboard.anomalies.thresholds import DEFAULTS, Thresholds
from dashboard.lib.registry import Registry
from streams.facts import ChunkFact, StreamFacts

Severity = Literal["info", "warning", "error", "critical"]
Certainty = Literal["proved", "suspected", "at_risk"]
LABELS = 20  # steps that one finding names
SEVERITIES: tuple[Severity, ...] = ("info", "warning", "error", "critical")


@dataclass(frozen=True, slots=True)
class ChunkRef:
    chunk_id: str
    position: int | None
    arrival: int


@dataclass(frozen=True, slots=True)
class Found:
    """One detector's result on one stream (or, with an empty stream, on one run)."""

    kind: str
    severity: Severity
    certainty: Certainty
    message: str  # one sentence, plain text
    run_id: str = ""
    stream: str = ""
    step_id: str = ""
    chunks: tuple[ChunkRef, ...] = ()
    events: tuple[str, ...] = ()  # event ids
    evidence: dict[str, object] = field(default_factory=dict)  # JSON-able facts that it rests on
    missing: tuple[str, ...] = ()  # evidence that would make it surer


@dataclass(frozen=True, slots=True)
class NotChecked:
    """A question that cannot be answered (yet): shown, never taken for a clean result."""

    kind: str
    reason: str
    stream: str = ""
    run_id: str = ""
    due_ns: int | None = None  # when asking again makes sense (a grace period ends)


class Upstream(NamedTuple):
    """An issue of the SDK, for documentation: `vercel/workflow#2058` and what it is about in a few words."""

    number: str
    title: str


def step_label(step_name: str, step_id: str, known: str = "") -> str:
    """`step//./workflows/chat//emitStream` is emitStream to people; one that was only inferred is called so."""
    label = step_name.rpartition("//")[2] or step_id or "an unknown step"
    return f"{label} (inferred)" if known == "inferred" else label


def labels_of(labels: Iterable[str]) -> str:
    """In the order given, each once; of very many only the first."""
    unique = list(dict.fromkeys(labels))
    more = f" and {len(unique) - LABELS} more" if len(unique) > LABELS else ""
    return ", ".join(unique[:LABELS]) + more


class Detector(ABC):
    """Judges one stream. Its docstring is its documentation page: What it does, Why it matters, Example,
    Needs, False alarms.

    `feed` gets every chunk once, in reading order. `finish` may be asked at any time, more than once, and
    answers for what has been fed so far; `now_ns` is the wall clock, `stream` the newest facts (a run may
    have ended since the last call).
    """

    kind: ClassVar[str]
    severity: ClassVar[Severity]
    version: ClassVar[int] = 1  # one more whenever its findings mean something else
    needs: ClassVar[frozenset[str]] = frozenset()  # evidence that a world must supply
    fix: ClassVar[str] = ""  # one sentence: what to do about it
    upstream: ClassVar[tuple[Upstream, ...]] = ()  # issues of the SDK that are about it
    sdk_affected: ClassVar[str] = ""  # versions, in words
    sdk_fixed: ClassVar[str] = ""
    thresholds: Thresholds = DEFAULTS  # set by whoever makes the detector, before the first chunk

    def feed(self, chunk: ChunkFact) -> None:  # noqa: B027 - some detectors need no chunk
        """Take the next chunk in reading order."""

    @abstractmethod
    def finish(self, stream: StreamFacts, now_ns: int) -> Iterator[Found | NotChecked]:
        """Yield what follows from the chunks fed so far."""


DETECTORS: Registry[Detector] = Registry(Detector, "dashboard.anomalies.detectors")  # type: ignore[type-abstract]
