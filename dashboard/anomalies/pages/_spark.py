"""How often an anomaly was seen, as bars: hours of the last day, or days of the last two weeks. One path."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

from django.utils.safestring import SafeString, mark_safe

from dashboard.anomalies.life_facts import HOUR_NS
from dashboard.lib.clock import now_ns
from runs.pages._format import counted

HOURS, DAYS = 24, 14


@dataclass(frozen=True, slots=True)
class Spark:
    """`total` is how often within the time shown, by our clock: once for each finding that was new."""

    bars: tuple[int, ...]
    of_days: bool

    @property
    def total(self) -> int:
        return sum(self.bars)

    @property
    def since(self) -> str:
        return f"{DAYS} days ago" if self.of_days else f"{HOURS} hours ago"

    @property
    def words(self) -> str:
        span = f"{DAYS} days" if self.of_days else f"{HOURS} hours"
        return f"seen {counted(self.total, 'time')} in the last {span}, most in one {self._unit}: {max(self.bars)}"

    @property
    def _unit(self) -> str:
        return "day" if self.of_days else "hour"


def earliest_hour() -> int:
    return now_ns() // HOUR_NS - DAYS * 24 + 1


def spark_of(hours: Mapping[int, int], first_seen_ns: int) -> Spark:
    now = now_ns() // HOUR_NS
    if first_seen_ns // HOUR_NS > now - HOURS:
        return Spark(tuple(hours.get(hour, 0) for hour in range(now - HOURS + 1, now + 1)), False)
    first = now - DAYS * 24 + 1
    days = (sum(hours.get(first + day * 24 + hour, 0) for hour in range(24)) for day in range(DAYS))
    return Spark(tuple(days), True)


def bars_svg(spark: Spark, width: int, height: int, style: str) -> SafeString:
    most, step = max(spark.bars) or 1, width / len(spark.bars)
    parts = []
    for at, count in enumerate(spark.bars):
        if count:
            tall = max(2.0, (height - 2) * count / most)
            parts.append(f"M{at * step:.1f} {height - 1}v{-tall:.1f}h{step * 0.8:.1f}v{tall:.1f}z")
    words = escape(spark.words)
    return mark_safe(  # numbers and escaped words
        f'<svg class="spark {style}" viewBox="0 0 {width} {height}" preserveAspectRatio="none" role="img"'
        f' aria-label="{words}"><title>{words}</title><path class="base" d="M0 {height - 0.5}h{width}"/>'
        f'<path class="bars" d="{"".join(parts)}"/></svg>'
    )
