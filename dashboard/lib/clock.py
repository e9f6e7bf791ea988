"""Times as this product keeps them: whole nanoseconds since 1970-01-01 UTC, in a signed 64-bit number.

Three clocks are never mixed without saying so: minted (the writer's host, from a ULID), stored (the
world's own time: a file's mtime, a database's `created_at`) and observed (this machine's).
"""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime

NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000
_MAX = 2**63 - 1
_ISO = re.compile(r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9})\d*)?(Z|[+-]\d\d:?\d\d)?$")


def now_ns() -> int:
    """Our own clock."""
    return time.time_ns()


def clamp_ns(ns: int) -> int:
    """A time that fits 64 bits: a file may claim any year, a database column may not."""
    return max(-_MAX, min(_MAX, ns))


def parse_iso_ns(text: object) -> int | None:
    """`2026-11-21T22:32:03.337Z` as nanoseconds; None for anything that is no such time."""
    match = _ISO.match(text) if isinstance(text, str) else None
    if match is None:
        return None
    zone = match[8] or "Z"
    try:
        moment = datetime.fromisoformat(f"{text[:10]}T{text[11:19]}" + ("+00:00" if zone == "Z" else zone))  # type: ignore[index]
    except ValueError:
        return None
    fraction = int((match[7] or "0").ljust(9, "0"))
    return clamp_ns(int(moment.timestamp()) * NS_PER_S + fraction)


def to_datetime(ns: int | None) -> datetime | None:
    """For people to read; None where a calendar has no such year."""
    if ns is None:
        return None
    try:
        return datetime.fromtimestamp(ns / NS_PER_S, UTC)
    except (OverflowError, ValueError, OSError):
        return None
