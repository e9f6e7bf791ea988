"""The states of an anomaly, and what moves it from one to another. Pure: `life` reads and writes them.

| state | it means | it ends |
|---|---|---|
| `open` | seen, nobody has said anything about it | by a person |
| `acknowledged` | someone knows and works on it | by a person |
| `resolved` | it should not come back | when it is seen again; after `by_next`, in a newer version only |
| `regressed` | it came back | by a person |
| `muted` | not worth a look for now | by a person, or by itself as its mute says |
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

State = Literal["open", "acknowledged", "resolved", "regressed", "muted"]
Action = Literal["acknowledge", "resolve", "mute", "reopen"]
STATES: tuple[State, ...] = ("regressed", "open", "acknowledged", "muted", "resolved")
ATTENTION: tuple[State, ...] = ("regressed", "open")  # what waits for a person
ACTIONS: tuple[Action, ...] = ("acknowledge", "resolve", "mute", "reopen")


@dataclass(frozen=True, slots=True)
class Mute:
    """One of: until a time, for so many more, while under a rate; none of them: for good. Times by our clock."""

    until_ns: int | None = None
    left: int | None = None  # may be seen that often; the next one after them reopens it
    rate: int | None = None  # seen that often within `per_ns` reopens it
    per_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Life:
    state: State = "open"
    since_ns: int = 0
    mute: Mute | None = None
    by_next: bool = False  # resolved by the next deployment: older ones may still show it


@dataclass(frozen=True, slots=True)
class Seen:
    """A finding that was not there before. `recent` counts those within the mute's `per_ns`, with this one."""

    at_ns: int
    recent: int = 0
    is_newer: bool = False  # in a deployment or an SDK version that is newer than all it was seen in


@dataclass(frozen=True, slots=True)
class Passed:
    """Time has passed, and nothing else happened."""

    at_ns: int


@dataclass(frozen=True, slots=True)
class Asked:
    """A person wants it."""

    action: Action
    at_ns: int
    mute: Mute | None = None
    by_next: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """The life after an event. `what` is the word for the history; "" where the state stays and only a mute counts
    down."""

    life: Life
    what: str = ""
    note: str = ""


def decide(life: Life, event: Seen | Passed | Asked) -> Change | None:
    """What an event changes; None for nothing, as for a wish that does not apply."""
    if isinstance(event, Asked):
        return _asked(life, event)
    if isinstance(event, Seen) and event.at_ns <= life.since_ns:
        return None  # found before it came to this state: it says nothing new
    if life.state == "resolved" and isinstance(event, Seen):
        return _seen_when_resolved(life, event)
    return _muted(life, life.mute, event) if life.state == "muted" and life.mute else None


_APPLIES: Mapping[Action, frozenset[State]] = {
    "acknowledge": frozenset(("open", "regressed", "muted")),
    "resolve": frozenset(("open", "regressed", "acknowledged", "muted")),
    "mute": frozenset(("open", "regressed", "acknowledged", "muted")),
    "reopen": frozenset(("acknowledged", "resolved", "muted")),
}


def applies(action: Action, state: str) -> bool:
    return state in _APPLIES[action]


def _asked(life: Life, asked: Asked) -> Change | None:
    if not applies(asked.action, life.state):
        return None
    match asked.action:
        case "acknowledge":
            return Change(Life("acknowledged", asked.at_ns), "acknowledged")
        case "resolve":
            note = "by the next deployment or SDK version" if asked.by_next else ""
            return Change(Life("resolved", asked.at_ns, by_next=asked.by_next), "resolved", note)
        case "reopen":
            return Change(Life("open", asked.at_ns), "reopened")
        case "mute":
            mute = asked.mute or Mute()
            return Change(Life("muted", asked.at_ns, mute), "muted", words_of(mute))


def _seen_when_resolved(life: Life, seen: Seen) -> Change | None:
    if life.by_next and not seen.is_newer:
        return None
    note = "seen in a newer deployment or SDK version" if seen.is_newer else "seen again"
    return Change(Life("regressed", seen.at_ns), "regressed", note)


def _muted(life: Life, mute: Mute, event: Seen | Passed) -> Change | None:
    if mute.until_ns is not None:
        return _reopen(event, "its mute has ended") if event.at_ns >= mute.until_ns else None
    if isinstance(event, Passed):
        return None
    if mute.left is not None:
        if mute.left <= 0:
            return _reopen(event, "seen more often than it was muted for")
        return Change(replace(life, mute=replace(mute, left=mute.left - 1)))
    if mute.rate is not None and event.recent >= mute.rate:
        return _reopen(event, f"seen {event.recent} times {_PER.get(mute.per_ns or 0, '')}".rstrip())
    return None


def _reopen(event: Seen | Passed, note: str) -> Change:
    return Change(Life("open", event.at_ns), "reopened", note)


_S = 1_000_000_000
PERIODS: Mapping[str, int] = {"minute": 60 * _S, "hour": 3600 * _S, "day": 86_400 * _S}
_PER = {ns: f"within a {word}".replace("a hour", "an hour") for word, ns in PERIODS.items()}
_WORDS = {ns: word for word, ns in PERIODS.items()}


def words_of(mute: Mute) -> str:
    """How long it is muted; the time of its end is left to the page, which knows how times are written."""
    if mute.until_ns is not None:
        return "until a time"
    if mute.left is not None:
        return f"for {mute.left:,} more"
    if mute.rate is not None:
        return f"while under {mute.rate:,} per {_WORDS.get(mute.per_ns or 0, 'period')}"
    return "for good"
