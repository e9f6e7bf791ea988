"""How templates write times, sizes, ids, states and badges."""

from __future__ import annotations

from typing import Any

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from dashboard.lib.clock import NS_PER_MS, now_ns
from dashboard.lib.panels import Piece
from dashboard.lib.styles import url_of as styles_url
from runs import managed
from runs.pages import _format

register = template.Library()

for _name in ("clock_time", "clock_date", "moment", "duration", "size", "short_name", "short_id", "visible"):
    register.filter(_name, getattr(_format, _name))
register.filter(managed.standing)
register.filter(managed.state_of)


@register.simple_tag
def styles(*names: str) -> SafeString:
    """The link to what every page needs and these stylesheets, in one."""
    return format_html('<link rel="stylesheet" href="{}">', styles_url(names))


_STATUS = {
    "pending": ("idle", "pend"),
    "running": ("info", "run"),
    "waiting": ("info", "clock"),
    "completed": ("ok", "done"),
    "failed": ("err", "fail"),
    "cancelled": ("idle", "stop"),
}
_SEVERITY = {
    "critical": ("err", "fail"),
    "error": ("err", "x"),
    "warning": ("warn", "warn"),
    "info": ("info", "dash"),
    "ok": ("ok", "ok"),
}
_KINDS = {
    "write_after_close": "behind",
    "closed_more_than_once": "gate2",
    "out_of_order": "moved",
    "protocol_violation": "moved",
}
_SURE = {"proved": "sure3", "suspected": "sure2", "at_risk": "sure1"}


@register.simple_tag
def icon(name: str, extra: str = "") -> SafeString:
    return format_html('<svg class="ic {}" aria-hidden="true"><use href="#i-{}"/></svg>', extra, name)


@register.simple_tag
def status(word: str, why: str = "") -> SafeString:
    """Icon and word, never a dot alone. An unknown word is shown as it is."""
    style, symbol = _STATUS.get(word, ("idle", "dash"))
    shown = _format.visible(word) if word else "not seen"
    reason = format_html(' <span class="why">{}</span>', _format.visible(why)) if why else ""
    return format_html('<span class="st {}">{}{}{}</span>', style, icon(symbol), shown, reason)


@register.simple_tag
def badge(piece: Piece) -> SafeString:
    """One finding: the colour is its severity, the bars are how sure it is."""
    style, symbol = _SEVERITY.get(piece.severity, ("idle", "dash"))
    words = format_html("{}{}", icon(_KINDS.get(piece.kind, symbol)), _format.visible(piece.text))
    mono = " mono" if piece.kind else ""
    title = f"{piece.certainty}: {piece.title}" if piece.certainty else piece.title
    if not piece.url:
        return format_html('<span class="badge {}{}" title="{}">{}</span>', style, mono, title, words)
    return format_html(
        '<a class="badge {}{}" title="{}" href="{}">{}</a>', style, mono, title, piece.url, words
    )


@register.simple_tag
def sure(certainty: str) -> SafeString:
    if certainty not in _SURE:
        return SafeString("")
    return format_html('<span class="sure">{}{}</span>', icon(_SURE[certainty]), certainty)


@register.filter
def age_ms(ns: int | None) -> int | None:
    """Milliseconds since one of our own times."""
    return None if ns is None else max(0, (now_ns() - ns) // NS_PER_MS)


@register.filter
def age(ns: int | None) -> str:
    """`0.4 s`, `3 s`, `2 m 5 s`."""
    ms = age_ms(ns)
    if ms is None:
        return "–"
    return (
        f"{ms / 1000:.1f} s"
        if ms < 10_000
        else _format.duration(ms // 1000 * 1000 * NS_PER_MS).replace(".00", "")
    )


@register.filter
def hex_of(data: Any, limit: int = 64) -> str:
    return _format.hex_head(bytes(data), limit)


@register.filter
def since(later: int | None, earlier: int | None) -> int | None:
    """The time between two times of the same clock."""
    return None if later is None or earlier is None else later - earlier
