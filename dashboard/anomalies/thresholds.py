"""From when on a detector speaks: one value per threshold, so that a world or a workflow can have its own. Pure.

Everything that a person may change is a field here, with what the page and docs/thresholds.md say of it. How a value
is learned from finished runs is in `threshold_medians`, which of several counts in `threshold_values`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

Unit = Literal["s", "events", "retries", "times", "part"]
TIMED = ("run_stuck", "wait_overdue", "step_unfinished", "entity_log_mismatch", "wait_left_open")
DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Learning:
    """`times` the median of a fact of finished runs (`threshold_medians.Sample`), from `least` to `most`."""

    fact: str
    words: str
    times: float
    least: float
    most: float

    def value(self, median_s: float) -> float:
        """To two digits: more would change with every run."""
        return min(self.most, max(self.least, float(f"{self.times * median_s:.2g}")))


@dataclass(frozen=True, slots=True)
class About:
    """What is said of one threshold. `kinds` are the findings that it decides; bounds are those of a form."""

    name: str
    default: float
    subject: Literal["run", "stream"]
    label: str
    unit: Unit
    least: float
    most: float
    help: str
    kinds: tuple[str, ...]
    learning: Learning | None = None

    @property
    def is_whole(self) -> bool:
        return self.unit in ("events", "retries")

    def words(self, value: float) -> str:
        """`10 min`, `25,000 events`, `80 %`, `10 times`."""
        if self.unit == "s":
            return words_of(value)
        return f"{value * 100:.3g} %" if self.unit == "part" else f"{value:,.10g} {self.unit}"

    def entered(self, value: float) -> str:
        """As a person would enter it: `parsed` gives the same value again."""
        if self.unit == "s" and value >= 120:
            size, word = (3600, "h") if value % 3600 == 0 else (60, "min") if value % 60 == 0 else (1, "s")
            return f"{value / size:.12g} {word}"
        if self.unit == "part":
            return f"{value * 100:.12g} %"
        return f"{value:.12g} s" if self.unit == "s" else f"{value:.12g}"

    def parsed(self, text: str) -> float:
        """What a person entered: a number in the threshold's unit, or a time with `s`, `min`, `h`, `days`. Raises
        ValueError with a sentence for the form."""
        value = _number(text, self.unit)
        if value is None:
            raise ValueError(f"This is not a {'time: 90, 15 min, 2 h' if self.unit == 's' else 'number'}.")
        if not self.least <= value <= self.most:
            raise ValueError(f"It must be from {self.words(self.least)} to {self.words(self.most)}.")
        if self.is_whole and value != int(value):
            raise ValueError("It must be a whole number.")
        return value


def _of_run(default: float, label: str, unit: Unit, bounds: tuple[float, float], **more: Any) -> Any:
    return _field("run", default, label, unit, bounds, **more)


def _of_stream(default: float, label: str, unit: Unit, bounds: tuple[float, float], **more: Any) -> Any:
    return _field("stream", default, label, unit, bounds, **more)


def _field(
    subject: str, default: float, label: str, unit: Unit, bounds: tuple[float, float], **more: Any
) -> Any:
    said = {"subject": subject, "label": label, "unit": unit, "least": bounds[0], "most": bounds[1]}
    return field(default=default, metadata=said | more)


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Times in seconds, by the world's own clock unless said otherwise; counts are counts.

    `origins` says where a value comes from that is not the default.
    """

    pending_s: float = _of_run(
        300, "Never began", "s", (10, 7 * DAY), kinds=("run_stuck",),
        help="How long a run may be created and not begin.",
        learning=Learning("pending_s", "time until a run began", 20, 150, 3600),
    )  # fmt: skip
    idle_s: float = _of_run(
        600, "Nothing happens", "s", (10, 30 * DAY), kinds=("run_stuck",),
        help="How long nothing may happen in a run that waits for no step, sleep or hook.",
        learning=Learning("quiet_s", "longest time in which nothing happened", 20, 300, 3600),
    )  # fmt: skip
    step_s: float = _of_run(
        900, "Step takes long", "s", (10, 30 * DAY), kinds=("step_unfinished", "run_stuck"),
        help="How long an attempt of a step may go on; hosted functions are ended after at most 800 s.",
        learning=Learning("step_s", "longest attempt of a step", 4, 900, DAY / 4),
    )  # fmt: skip
    wait_s: float = _of_run(
        60, "Sleep overdue", "s", (1, 7 * DAY), kinds=("wait_overdue",),
        help="How late the end of a sleep may come: queues deliver late.",
    )  # fmt: skip
    record_s: float = _of_run(
        30, "Row without its event", "s", (1, DAY), kinds=("entity_log_mismatch",),
        help="How far a row and its event may be apart: they are two writes, not always of one transaction.",
    )  # fmt: skip
    end_s: float = _of_run(
        60, "Tidying up", "s", (1, DAY), kinds=("wait_left_open",),
        help="How long after the end of a run its sleeps may still be tidied up.",
    )  # fmt: skip
    slack_s: float = _of_run(
        300, "Only our clock", "s", (0, DAY), kinds=TIMED,
        help="How much later it must be where only our own clock says so, since nothing happens in the world.",
    )  # fmt: skip
    events: int = _of_run(
        25_000, "Events of a run", "events", (100, 10_000_000), kinds=("event_log_growth",),
        help="How many events a run may have: the limit of the SDK's own worlds.",
    )  # fmt: skip
    events_part: float = _of_run(
        0.8, "Part of these events", "part", (0.05, 1), kinds=("event_log_growth",),
        help="From which part of that number on a run that goes on is told.",
    )  # fmt: skip
    retries: int = _of_run(
        10, "Retries at once", "retries", (2, 100_000), kinds=("retry_storm",),
        help="How many retries of one run's steps within the time below are a storm.",
    )  # fmt: skip
    retries_s: float = _of_run(
        60, "Time of these retries", "s", (1, DAY), kinds=("retry_storm",),
        help="Within which time these retries are counted.",
    )  # fmt: skip
    retries_of_step: int = _of_run(
        25, "Retries of a step", "retries", (2, 100_000), kinds=("retry_storm",),
        help="How often one step may be retried, however slowly; the SDK's default is 3.",
    )  # fmt: skip
    skew_s: float = _of_run(
        2, "Clocks apart", "s", (0.1, 7 * DAY), kinds=("clock_skew",),
        help="How far the clock of a writer and the clock of the world may be apart.",
    )  # fmt: skip
    silent_s: float = _of_stream(
        30, "Silence", "s", (1, 7 * DAY), kinds=("stream_silent",),
        help="How long a stream may be silent while a step that writes to it runs.",
    )  # fmt: skip
    silent_times: float = _of_stream(
        10, "Silence, in usual gaps", "times", (1, 1_000_000), kinds=("stream_silent",),
        help="How many times the usual gap of the same stream a silence must be as well.",
    )  # fmt: skip
    close_s: float = _of_stream(
        10, "Never closed", "s", (0, 30 * DAY), kinds=("never_closed",),
        help="How long after the end of its run the end marker of a stream may come.",
    )  # fmt: skip
    late_s: float = _of_stream(
        2, "Written after the end", "s", (0, DAY), kinds=("write_after_run_end",),
        help="How long after the end of its run the last chunks may be written: the flush of the last step.",
    )  # fmt: skip
    list_s: float = _of_stream(
        10, "Not listed yet", "s", (0, DAY), kinds=("stream_unlisted",),
        help="How old a stream may be without an entry in the list of its run, which goes on.",
    )  # fmt: skip
    resend_s: float = _of_stream(
        60, "Sent again within", "s", (1, DAY), kinds=("duplicate_chunk",),
        help="Within which time an equal chunk is taken for one write that was sent again.",
    )  # fmt: skip
    origins: Mapping[str, str] = field(default_factory=dict)

    def told(self, *names: str) -> str:
        """For the evidence of a finding: `Nothing happens: 10 min (default)`."""
        return "; ".join(
            f"{ABOUT[name].label}: {ABOUT[name].words(getattr(self, name))} ({self.origins.get(name, 'default')})"
            for name in names
        )


def words_of(seconds: float) -> str:
    """`40 s`, `15 min`, `3.5 h`, `2 days`."""
    for size, word in ((2 * 86_400, "days"), (2 * 3600, "h"), (120, "min")):
        if seconds >= size:
            return f"{seconds / {'days': 86_400, 'h': 3600, 'min': 60}[word]:.3g} {word}"
    return f"{seconds:.3g} s"


_NUMBER = re.compile(r"(\d{1,12}(?:[.,]\d{1,6})?)\s*(%|[a-z]*)\Z", re.ASCII)
_SIZES = {
    "": 1.0, "s": 1.0, "sec": 1.0, "seconds": 1.0, "m": 60.0, "min": 60.0, "minutes": 60.0, "h": 3600.0,
    "hours": 3600.0, "d": DAY, "day": DAY, "days": DAY,
}  # fmt: skip


def _number(text: str, unit: Unit) -> float | None:
    match = _NUMBER.match(text.strip().lower())
    sizes = {"s": _SIZES, "part": {"": 1.0, "%": 0.01}}.get(unit, {"": 1.0, unit: 1.0})
    if match is None or match[2] not in sizes:
        return None
    number = float(match[1].replace(",", ".")) * sizes[match[2]]
    return number if math.isfinite(number) else None


ABOUT: Mapping[str, About] = {
    one.name: About(one.name, float(one.default), **one.metadata)  # type: ignore[arg-type]
    for one in fields(Thresholds)
    if one.metadata
}
DEFAULTS = Thresholds()


def names_for(kind: str) -> tuple[str, ...]:
    """The thresholds that decide a kind of finding."""
    return tuple(name for name, about in ABOUT.items() if kind in about.kinds)
