"""The clocks in a PostgreSQL world's rows.

Its columns are `timestamp without time zone` and hold two clocks: what the database set (`created_at`, and
`updated_at` of a row that was never updated) is local time in the session's zone, what the SDK set is UTC. An
id holds the time at which it was made, in UTC, moments before its row: so whole quarter hours between them
are a zone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from dashboard.lib.clock import NS_PER_MS, NS_PER_S
from dashboard.lib.ulid import ulid_ms
from runs.worlds.base import TERMINAL

QUARTER_NS = 900 * NS_PER_S  # zones differ from UTC by whole quarters of an hour
FARTHEST = 14 * 4  # of them: the zone that is farthest from UTC
SHARE = 0.05  # of the rows must agree on a zone for it to count
US_NS = 1000  # times are whole microseconds: below is room to tell versions of one time apart
MOST_ATTEMPTS = 98


@dataclass(frozen=True, slots=True)
class Clock:
    """The zones of the sessions that write, as quarters of an hour ahead of UTC; the most common one first."""

    quarters: tuple[int, ...] = (0,)

    @property
    def is_utc(self) -> bool:
        return self.quarters == (0,)

    def created(self, row_id: str, at_ns: int | None) -> int | None:
        """The database's time of a row in UTC."""
        if at_ns is None or self.is_utc:
            return at_ns
        own = quarters_of(row_id, at_ns)
        # An hour beside a known zone is the same zone in the other half of the year.
        is_known = own is not None and any(own - zone in (-4, 0, 4) for zone in self.quarters)
        return at_ns - (own if is_known and own is not None else self.quarters[0]) * QUARTER_NS

    def in_words(self) -> str:
        return ", ".join(_zone(quarters) for quarters in self.quarters)


def quarters_of(row_id: str, at_ns: int) -> int | None:
    """How far a time is ahead of the one in its row's id, if that may be a zone."""
    minted = ulid_ms(row_id)
    if minted is None:
        return None
    quarters = round((at_ns - minted * NS_PER_MS) / QUARTER_NS)
    return quarters if abs(quarters) <= FARTHEST else None


def clock_of(rows: Iterable[tuple[str, int | None]]) -> Clock:
    """From ids and times of recent rows."""
    found = [quarters_of(row_id, at_ns) for row_id, at_ns in rows if at_ns is not None]
    counted = Counter(quarters for quarters in found if quarters is not None)
    total = counted.total()
    zones = tuple(quarters for quarters, count in counted.most_common() if count >= total * SHARE)
    return Clock(zones) if zones else Clock()


def version_ns(times: Iterable[int | None], status: str, attempt: int = 0) -> int:
    """A number that grows with every version of a row: its latest time, then how far it has come.

    Times come from several clocks, so a later version may have the lower number: the reader lifts it then.
    """
    latest = max((at for at in times if at is not None), default=0)
    return latest // US_NS * US_NS + _rank(status, attempt)


def _rank(status: str, attempt: int) -> int:
    if status in TERMINAL:
        return US_NS - 1
    return min(attempt, MOST_ATTEMPTS) * 10 + (5 if status == "running" else 6 if attempt else 0)


def _zone(quarters: int) -> str:
    hours, rest = divmod(abs(quarters), 4)
    return (
        f"UTC{'-' if quarters < 0 else '+'}{hours}{f':{rest * 15:02d}' if rest else ''}"
        if quarters
        else "UTC"
    )
