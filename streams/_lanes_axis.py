"""The time axis of the lanes: from nanoseconds to places on it, and the numbers below it. Pure."""

from __future__ import annotations

from dataclasses import dataclass

UNITS = ((10_000_000_000, "ms", 1_000_000), (600_000_000_000, "s", 1_000_000_000))
LONGER = ("min", 60_000_000_000)
SHORTEST = 10_000  # ns: chunk ids hold milliseconds, processes tell microseconds
TICKS = 8


@dataclass(frozen=True, slots=True)
class Axis:
    from_ns: int
    to_ns: int
    zero_ns: int  # what times are counted from
    is_fit: bool
    unit: str
    unit_ns: int
    ticks: tuple[tuple[float, str], ...]  # place, number

    def x(self, ns: int) -> float:
        """From 0 to 100 within the axis; beyond it what lies outside."""
        return 100 * (ns - self.from_ns) / (self.to_ns - self.from_ns)

    def since(self, ns: int) -> str:
        """`+57.1`, in the axis's unit."""
        return f"{(ns - self.zero_ns) / self.unit_ns:+,.1f}".replace("-", "−")


def axis_over(from_ns: int, to_ns: int, zero_ns: int, is_fit: bool) -> Axis:
    """What is fitted gets some room, so that the first and the last mark are not drawn on the edge."""
    length = max(to_ns - from_ns, SHORTEST)
    if is_fit:
        room = max(length // 40, 500_000)
        from_ns, length = from_ns - room, length + 2 * room
    unit, unit_ns = next(((name, ns) for upto, name, ns in UNITS if length < upto), LONGER)
    to_ns = from_ns + length
    return Axis(from_ns, to_ns, zero_ns, is_fit, unit, unit_ns, _ticks(from_ns, to_ns, zero_ns, unit_ns))


def _ticks(from_ns: int, to_ns: int, zero_ns: int, unit_ns: int) -> tuple[tuple[float, str], ...]:
    length = to_ns - from_ns
    step = _step(length, unit_ns)
    digits = 0 if step % unit_ns == 0 else 1 if step * 10 % unit_ns == 0 else 3
    first = -(-(from_ns - zero_ns) // step)
    last = (to_ns - zero_ns) // step
    return tuple(
        (round(100 * (zero_ns + at * step - from_ns) / length, 3), _number(at * step / unit_ns, digits))
        for at in range(first, last + 1)
    )


def _step(length: int, unit_ns: int) -> int:
    """1, 2 or 5 times a power of ten of the unit, so that about `TICKS` fit."""
    raw = length / TICKS / unit_ns
    power = 10.0**-6
    while power * 10 <= raw:
        power *= 10
    factor = next((one for one in (1, 2, 5) if one * power >= raw), 10)
    return max(1, round(factor * power * unit_ns))


def _number(value: float, digits: int) -> str:
    return f"{value:,.{digits}f}".replace("-", "−")
