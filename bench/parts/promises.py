"""What a bench says of each figure: its target, and whether it was met.

A time depends on the machine and on what else runs there: one above its target `falls short`, and that is all. What
does not depend on it (nothing lost, counts, bytes) is a promise: where one is broken, the bench ends with status 1.
"""

from __future__ import annotations

import sys

_broken: list[str] = []


def target(what: str, figure: float, most: float, unit: str = "") -> None:
    verdict = "pass" if figure <= most else "falls short"
    print(
        f"  {what}: {_number(figure)}{unit and ' ' + unit} (at most {_number(most)}): {verdict}", flush=True
    )


def promise(what: str, is_kept: bool) -> None:
    print(f"  {what}: {'pass' if is_kept else 'BROKEN'}", flush=True)
    if not is_kept:
        _broken.append(what)


def at_most(what: str, figure: float, most: float, unit: str) -> None:
    """A figure that no other machine changes."""
    promise(f"{what}: {_number(figure)} {unit} (at most {_number(most)})", figure <= most)


def end() -> None:
    """The last line of a bench with promises."""
    if _broken:
        print(f"{len(_broken)} broken: {'; '.join(_broken)}")
    sys.exit(1 if _broken else 0)


def _number(figure: float) -> str:
    return f"{figure:,.0f}" if figure >= 10 or figure == int(figure) else f"{figure:.2f}"
