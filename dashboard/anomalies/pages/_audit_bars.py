"""Bars over days: two paths for all streams and those with a problem, a link for each day, and small ones per kind."""

from __future__ import annotations

from typing import Any

from dashboard.anomalies.audit import NO_DAY, Cube, Kind, date_of
from dashboard.anomalies.pages._audit_links import Links

FEWEST = 14
DAYS = 60  # the last ones of which something is stored
WIDTH, HEIGHT, GAP = 900, 96, 2
SPARK_WIDTH, SPARK_HEIGHT = 120, 20


def bars_of(by_day: dict[str | int, Cube], links: Links) -> dict[str, Any] | None:
    """None where no stream has a chunk."""
    days = _days(by_day)
    if not days:
        return None
    totals = [_total(by_day, day) for day in days]
    wrong = [by_day[day].bad.total() if day in by_day else 0 for day in days]
    step = WIDTH / len(days)
    return {
        "width": WIDTH,
        "height": HEIGHT,
        "all": _path(totals, step, HEIGHT, max(totals)),
        "bad": _path(wrong, step, HEIGHT, max(totals)),
        "most": max(totals),
        "first": date_of(days[0]),
        "last": date_of(days[-1]),
        "hits": [
            {
                "x": round(at * step, 2),
                "width": round(step, 2),
                "url": links.narrowed("day", day).here(),
                "words": f"{date_of(day)}: {total:,} streams, {bad:,} with a problem",
            }
            for at, (day, total, bad) in enumerate(zip(days, totals, wrong, strict=True))
            if total
        ],
    }


def spark_of(by_day: dict[str | int, Cube], kind: Kind) -> dict[str, Any] | None:
    """How often a kind was found on each of the same days; None where it never was."""
    days = _days(by_day)
    found = [by_day[day].count(kind).found if day in by_day else 0 for day in days]
    if not any(found):
        return None
    path = _path(found, SPARK_WIDTH / len(days), SPARK_HEIGHT, max(found))
    return {"path": path, "width": SPARK_WIDTH, "height": SPARK_HEIGHT, "most": max(found)}


def _days(by_day: dict[str | int, Cube]) -> list[int]:
    """Each day up to the last one with data, and as many as keep the bars narrow."""
    known = [int(day) for day in by_day if day != NO_DAY]
    if not known:
        return []
    last = max(known)
    first = min(day for day in known if day > last - DAYS)
    return list(range(min(first, last - FEWEST + 1), last + 1))


def _total(by_day: dict[str | int, Cube], day: int) -> int:
    return by_day[day].totals["stream"].total() if day in by_day else 0


def _path(numbers: list[int], step: float, height: int, most: int) -> str:
    """One path of all bars; what is there at all is at least a pixel high."""
    width = max(1.0, step - GAP)
    parts = []
    for at, number in enumerate(numbers):
        if number:
            tall = max(1.0, number / (most or 1) * height)
            parts.append(f"M{at * step:.1f} {height}v{-tall:.1f}h{width:.1f}v{tall:.1f}z")
    return "".join(parts)
