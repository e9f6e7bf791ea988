"""Numbers, times and untrusted text as pages write them."""

from __future__ import annotations

from dashboard.lib.clock import NS_PER_MS, NS_PER_S, to_datetime

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_UNITS = ("B", "kB", "MB", "GB", "TB")

# What would break a line, vanish, or turn the reading direction round is written as a visible sign.
_HIDDEN = {code: chr(0x2400 + code) for code in range(32)} | {0x7F: "␡", 0x0A: "⏎", 0x0D: "␍", 0x09: "⇥"}
_HIDDEN |= {
    code: f"⟨{code:04X}⟩" for code in (*range(0x80, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A))
}
_HIDDEN |= {code: f"⟨{code:04X}⟩" for code in (0x200B, 0x200E, 0x200F, 0x2028, 0x2029, 0x2060, 0xFEFF)}


def visible(text: str) -> str:
    """Untrusted text on one line: control and direction signs made visible, lone surrogates replaced."""
    if text.isascii():
        return text if text.isprintable() else text.translate(_HIDDEN)
    return text.encode("utf-8", "replace").decode().translate(_HIDDEN)


def lines(text: str) -> str:
    """The same for text that may keep its lines and tabs (a stack trace)."""
    shown = "\n".join(visible(line) for line in text.replace("\r\n", "\n").split("\n"))
    return shown.replace("⇥", "\t")


def clock_time(ns: int | None) -> str:
    """`22:34:15.846`, UTC, to the millisecond."""
    if ns is None:
        return "–"
    ms = ns // NS_PER_MS
    s = ms // 1000 % _DAY
    return f"{s // _HOUR:02}:{s // _MINUTE % 60:02}:{s % 60:02}.{ms % 1000:03}"


def clock_date(ns: int | None) -> str:
    """`2026-11-21`; for years that no calendar has, the number itself."""
    if ns is None:
        return "–"
    moment = to_datetime(ns)
    return f"{moment:%Y-%m-%d}" if moment else f"{ns} ns"


def moment(ns: int | None) -> str:
    """Date, time to the nanosecond as stored, zone: for titles and details."""
    if ns is None:
        return "–"
    return f"{clock_date(ns)} {clock_time(ns)[:-4]}.{ns % NS_PER_S:09} UTC"


def milliseconds(ns: int) -> str:
    """`142.2`: one unit for a whole column."""
    if ns == 0:
        return "0"
    text = f"{abs(ns) / NS_PER_MS:,.1f}"
    return text if ns > 0 else f"−{text}"


def duration(ns: int | None) -> str:
    """`528 ms`, `2.33 s`, `8 m 24 s`, `3 h 5 m`, `2 d 4 h`."""
    if ns is None:
        return "–"
    sign, ns = ("−" if ns < 0 else ""), abs(ns)
    if ns < NS_PER_S:
        return f"{sign}{ns / NS_PER_MS:.0f} ms"
    seconds = ns // NS_PER_S
    if seconds < _MINUTE:
        return f"{sign}{ns / NS_PER_S:.2f} s"
    for unit, name, lower, lower_name in (
        (_DAY, "d", _HOUR, "h"),
        (_HOUR, "h", _MINUTE, "m"),
        (_MINUTE, "m", 1, "s"),
    ):
        if seconds >= unit:
            return f"{sign}{seconds // unit} {name} {seconds % unit // lower} {lower_name}"
    raise AssertionError("longer than a minute is one of the three")


def size(count: int) -> str:
    """`60 B`, `1.2 kB`: decimal units, as file managers and bills use them."""
    if count < 1000:
        return f"{count} B"
    amount = float(count)
    for unit in _UNITS:
        if amount < 999.5 or unit == _UNITS[-1]:
            break
        amount /= 1000
    return f"{amount:.0f} {unit}" if amount >= 100 else f"{amount:.1f} {unit}"


def counted(count: int, word: str, plural: str = "") -> str:
    """`1 chunk`, `1,204 chunks`."""
    return f"{count:,} {word if count == 1 else plural or word + 's'}"


def hex_head(data: bytes, limit: int) -> str:
    """`64 65 76 6c …`"""
    return data[:limit].hex(" ") + (" …" if len(data) > limit else "")


def short_name(full: str) -> str:
    """The last part of `workflow//./workflows/chat//chatTurn`."""
    return full.rsplit("//", 1)[-1] or full


def short_id(full: str) -> str:
    """The end of an id: the beginning of a ULID is its time and much the same on a page."""
    return full if len(full) <= 12 else f"…{full[-9:]}"
