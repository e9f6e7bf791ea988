"""Which clock a lane's times are of: processes are set right only where it is known by how much. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class ProcessClock:
    """`offset_ns`: Tailrace's clock minus the process's, right to within `error_ns`.

    Without an error it is only a bound (the way of a batch here counts as if it were offset): nothing to shift by.
    """

    offset_ns: int | None
    error_ns: int | None

    @property
    def shift_ns(self) -> int:
        """What to add to this process's times; nothing while the clocks agree as far as can be told."""
        if self.offset_ns is None or self.error_ns is None or abs(self.offset_ns) <= self.error_ns:
            return 0
        return self.offset_ns

    @property
    def is_compared(self) -> bool:
        return self.offset_ns is not None and self.error_ns is not None


def clock_words(clocks: Iterable[ProcessClock], untimed: int, has_calls: bool) -> list[str]:
    """Sentences for below the picture. `untimed`: chunks whose id holds no time."""
    words = [_calls(list(clocks))] if has_calls else []
    tick = "Tick: the time in the chunk's id, given by the process that wrote it"
    if untimed:
        tick += (
            f"; {untimed:,} ids hold none, there it is the world's stored time,"
            " or when it was seen where the world keeps none"
        )
    return [*words, tick, "Steps and run end: the world's clock"]


def _calls(clocks: list[ProcessClock]) -> str:
    words = "Called and came back: the writing process's own clock"
    shifted = [clock for clock in clocks if clock.shift_ns]
    compared = sum(clock.is_compared for clock in clocks)
    if not compared:
        return f"{words}, never compared with another"
    if not shifted:
        error = max(clock.error_ns or 0 for clock in clocks if clock.is_compared)
        return f"{words}, the same as this machine's to within {error / NS_PER_MS:.1f} ms{_rest(clocks, compared)}"
    if len(clocks) == 1:
        clock = clocks[0]
        by = f"{clock.shift_ns / NS_PER_MS:+,.1f} ± {(clock.error_ns or 0) / NS_PER_MS:.1f} ms".replace(
            "-", "−"
        )
        return f"{words}, set right by {by} to this machine's"
    return f"{words}; {len(shifted)} of {len(clocks)} set right to this machine's{_rest(clocks, compared)}"


def _rest(clocks: list[ProcessClock], compared: int) -> str:
    rest = len(clocks) - compared
    return f"; {rest} never compared with it" if rest else ""
