"""Markdown that shows untrusted text as it is: in code, where no name is called and no link is made."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dashboard.lib.clock import NS_PER_S, to_datetime

CUT = 160


def code(value: object) -> str:
    """Any text as code in one line; nothing for nothing."""
    text = " ".join(str(value).split())
    if value is None or not text:
        return "–"
    text = text if len(text) <= CUT else f"{text[: CUT - 1]}…"
    text = (
        "".join(char if char.isprintable() else "\ufffd" for char in text).replace("|", "¦").replace("`", "´")
    )
    return f"`{text}`"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def clock(ns: int | None) -> str:
    """The time of day by the clock that it is of, to the millisecond."""
    moment = to_datetime(None if ns is None else ns // NS_PER_S * NS_PER_S)
    if ns is None or moment is None:
        return "–"
    return f"{moment:%H:%M:%S}.{ns // 1_000_000 % 1000:03d}"
