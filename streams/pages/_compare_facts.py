"""The facts of two streams side by side: the verdict, the counts, the times, and what they were written with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from statistics import median
from typing import NamedTuple

from dashboard.lib.panels import Piece
from runs.models import Run
from runs.pages._format import duration, milliseconds, short_name, size
from streams._compare_rows import Part, run_time_ns
from streams.answers import GRAMMAR, LOSS, Answer, answers_of
from streams.compare import Entry
from streams.models import Stream
from streams.pages._glyph import state_words
from streams.verdicts import is_judged

TYPES_SHOWN = 24
TIMES = 2  # a time differs if it is more than so many times the other
LEAST_NS = 10_000_000  # below it a time tells nothing
_UNCHECKED = "not checked here"
_ANSWERS = {"good": "yes", "bad": "no", "sus": "in doubt", "unk": _UNCHECKED}
_LOOKS = {"good": "ok", "bad": "err", "sus": "warn", "unk": ""}
_QUESTIONS = {
    "order": "ordered", "closed at the end": "closed once", "never closed": "closed once",
    "duplicates": "no duplicates", "grammar": "grammar kept",
}  # fmt: skip
# Findings that the questions tell of.
_ASKED = frozenset(
    {"write_after_close", "closed_more_than_once", "never_closed", "out_of_order", GRAMMAR, *LOSS}
)


class Value(NamedTuple):
    text: str
    look: str = ""  # ok, err, warn or none; empty where there is no answer
    title: str = ""


class Fact(NamedTuple):
    """One line of the table. What differs between any two runs (a name, a time of day) is no line of it."""

    name: str
    left: Value
    right: Value
    is_different: bool
    title: str = ""


class Side(NamedTuple):
    """What is known of one of the two streams; `entries` of the part that is compared."""

    stream: Stream
    pieces: Sequence[Piece]  # of its verdict
    part: Part
    entries: Sequence[Entry]

    @property
    def answers(self) -> list[Answer]:
        return answers_of(self.stream, self.pieces)


def facts_of(left: Side, right: Side, is_whole: bool) -> list[Fact]:
    facts = [*_verdict(left, right), *_counts(left.stream, right.stream), *_times(left, right)]
    return [*facts, *_origins(left.stream.run, right.stream.run), *_types(left, right, is_whole)]


def _verdict(left: Side, right: Side) -> Iterator[Fact]:
    """The questions that every stream is asked, and further findings by their names."""
    one, other = ({_question(answer): answer for answer in side.answers} for side in (left, right))
    for question in {**one, **other}:
        mine, theirs = (_answered(found.get(question)) for found in (one, other))
        yield Fact(question, mine, theirs, mine.look != theirs.look)
    told = [piece.kind for side in (left, right) for piece in side.pieces if piece.severity]
    for kind in dict.fromkeys(kind for kind in told if kind not in _ASKED):
        mine, theirs = (_found(side, kind) for side in (left, right))
        yield Fact(kind, mine, theirs, mine.look != theirs.look)


def _question(answer: Answer) -> str:
    return _QUESTIONS.get(answer.name, answer.name)


def _answered(answer: Answer | None) -> Value:
    if answer is None:
        return Value("not asked: it carries no AI SDK chunks", "none")
    word = _ANSWERS[answer.look]
    needs = f"Supplied by {answer.needs}" if answer.needs else ""
    words = f"{word}, {answer.sure}" if answer.sure else word
    return Value(f"{words}: {answer.fact}", _LOOKS[answer.look], needs)


def _found(side: Side, kind: str) -> Value:
    """A finding, or what its absence means."""
    told = next((piece for piece in side.pieces if piece.kind == kind), None)
    if told is not None and told.severity:
        look = "err" if told.severity in ("error", "critical") else "warn"
        return Value(f"found, {told.certainty}: {told.title}", look)
    if told is not None:
        return Value(f"{_UNCHECKED}: {told.title.removeprefix(f'{_UNCHECKED}: ')}")
    return Value("not found", "none") if is_judged(side.stream) else Value("not judged yet")


def _counts(left: Stream, right: Stream) -> Iterator[Fact]:
    columns: tuple[tuple[str, Callable[[Stream], int]], ...] = (
        ("chunks", lambda one: one.chunk_count),
        ("end markers", lambda one: one.close_count),
        ("behind the end marker", lambda one: one.behind_count),
        ("moved", lambda one: one.moved_count),
    )
    yield _fact("state", state_words(left), state_words(right))
    for name, count in columns:
        yield _fact(name, f"{count(left):,}", f"{count(right):,}")
    yield _fact("size", size(left.bytes), size(right.bytes))
    if left.framing or right.framing:
        yield _fact("framing", left.framing or "–", right.framing or "–")


def _times(left: Side, right: Side) -> Iterator[Fact]:
    rows: tuple[tuple[str, str, Callable[[Side], int | None]], ...] = (
        ("first to last chunk", "by the world's clock", _lasted),
        ("median gap", "between the chunks compared here, by the world's clock", _gap),
        ("run took", "by the world's clock", lambda side: run_time_ns(side.stream.run)),
    )
    for name, title, of in rows:
        one, other = of(left), of(right)
        is_different = (one is None) != (other is None) or _is_far(one or 0, other or 0)
        yield Fact(name, Value(_time(one)), Value(_time(other)), is_different, title)


def _time(ns: int | None) -> str:
    return f"{milliseconds(ns)} ms" if ns is not None and abs(ns) < LEAST_NS else duration(ns)


def _is_far(one: int, other: int) -> bool:
    low, high = sorted((abs(one), abs(other)))
    return high > TIMES * low and high >= LEAST_NS


def _lasted(side: Side) -> int | None:
    stream = side.stream
    if stream.first_stored_ns is None or stream.last_stored_ns is None:
        return None
    return stream.last_stored_ns - stream.first_stored_ns


def _gap(side: Side) -> int | None:
    stored = sorted(line.row.stored_ns for line in side.part.lines if not line.row.is_close)
    return round(median(later - one for one, later in pairwise(stored))) if len(stored) > 1 else None


def _origins(left: Run | None, right: Run | None) -> Iterator[Fact]:
    columns: tuple[tuple[str, Callable[[Run], str]], ...] = (
        ("workflow", lambda run: short_name(run.workflow)),
        ("run", lambda run: run.status),
        ("SDK", lambda run: run.sdk_version),
        ("language", lambda run: run.language),
        ("deployment", lambda run: run.deployment),
    )
    for name, of in columns:
        one, other = (of(run) if run is not None else "" for run in (left, right))
        if one or other:
            yield _fact(name, one or "not known", other or "not known")


def _types(left: Side, right: Side, is_whole: bool) -> Iterator[Fact]:
    one, other = (Counter(entry.type for entry in side.entries) for side in (left, right))
    title = "" if is_whole else "among the chunks compared here"
    names = [name for name, _ in (one | other).most_common()]
    for name in sorted(names[:TYPES_SHOWN], key=lambda name: one[name] == other[name]):
        fact = _fact(name, f"{one[name]:,}", f"{other[name]:,}")
        yield fact._replace(title=title or "chunks of this type")
    if len(names) > TYPES_SHOWN:
        rest = names[TYPES_SHOWN:]
        yield _fact(f"{len(rest)} more types", f"{_sum(one, rest):,}", f"{_sum(other, rest):,}")


def _sum(counts: Counter[str], names: Sequence[str]) -> int:
    return sum(counts[name] for name in names)


def _fact(name: str, left: str, right: str) -> Fact:
    return Fact(name, Value(left), Value(right), left != right)
