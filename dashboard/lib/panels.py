"""Slots in a page that other apps fill, so that a lower floor never asks upwards.

A page collects a slot once, for all the ids it shows; every provider is called once with all of them.
What a provider does not mention was not checked; what it maps to nothing was checked, and nothing was found.

| slot            | ids     | pieces                                                                   |
|-----------------|---------|--------------------------------------------------------------------------|
| `run_badges`    | runs    | findings of the run and of its streams                                   |
| `run_streams`   | runs    | its streams, worst first: `html` is the glyph, `badge` the verdict         |
| `run_findings`  | runs    | findings of the run itself: `title` what is wrong, `detail` the fix; not checked |
| `run_moments`   | runs    | points for the timeline, at the time `at` (nanoseconds)                  |
| `stream_badges` | streams | findings                                                                 |
| `stream_verdict`| streams | one answer each: `text`, how sure, and in `title` the one line of fact   |
| `chunk_notes`   | streams | badges for the chunk with the arrival `at`                               |
| `world_findings`| worlds  | what was found last: `at` is when (nanoseconds), `detail` the fix         |
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from django.utils.safestring import SafeString, mark_safe

log = logging.getLogger("tailrace.panels")

Slot = Literal[
    "run_badges",
    "run_streams",
    "run_findings",
    "run_moments",
    "stream_badges",
    "stream_verdict",
    "chunk_notes",
    "world_findings",
]
Severity = Literal["", "ok", "info", "warning", "error", "critical"]


@dataclass(frozen=True, slots=True)
class Piece:
    """One thing to show. Everything but `html` is plain text and is escaped where it is shown."""

    text: str
    kind: str = ""  # the code name of a finding; written in monospace, exactly so
    severity: Severity = ""  # "": quiet text
    certainty: str = ""  # proved, suspected, at_risk; "" where it makes no sense
    title: str = ""
    url: str = ""
    at: int | None = None
    detail: str = ""  # a second, quiet text
    group: str = ""  # of a finding: where its anomaly is
    html: SafeString = mark_safe("")  # noqa: RUF009 - a constant
    badge: SafeString = mark_safe("")  # noqa: RUF009 - of a stream: its verdict


Found = Mapping[int, Sequence[Piece]]
Provider = Callable[[list[int]], Found]

NOT_AVAILABLE = Piece("not available", title="This part could not be computed; the log says why.")
_providers: dict[str, list[Provider]] = defaultdict(list)


def provide(slot: Slot, function: Provider) -> None:
    """Register a provider. Registering the same function again changes nothing."""
    if function not in _providers[slot]:
        _providers[slot].append(function)


def collect(slot: Slot, ids: list[int]) -> dict[int, list[Piece]]:
    """The pieces of all providers by id. A provider that raises is logged and shows as "not available"."""
    collected: dict[int, list[Piece]] = {}
    for provider in _providers[slot] if ids else ():
        for key, pieces in _answer(slot, provider, ids).items():
            collected.setdefault(key, []).extend(pieces)
    return collected


def _answer(slot: Slot, provider: Provider, ids: list[int]) -> Found:
    try:
        return provider(ids)
    except Exception:  # a broken part must not take the page with it
        log.exception("the provider %s of %s failed", provider.__qualname__, slot)
        return {key: [NOT_AVAILABLE] for key in ids}
