"""Values as text in pages of bounded length: a hex dump, and JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass

from runs.pages._format import lines
from runs.payloads import as_tagged

HEX_PAGE = 4096  # bytes
TEXT_PAGE = 64 * 1024  # characters
PER_LINE = 16

_ASCII = bytes(code if 0x20 <= code < 0x7F else 0x2E for code in range(256))


@dataclass(frozen=True, slots=True)
class TextPage:
    """A part of a text. `earlier` and `later` are where the parts around it start; None at the ends."""

    text: str
    start: int
    end: int
    total: int
    unit: str  # what start, end and total count
    earlier: int | None
    later: int | None


def hex_page(data: bytes, start: int) -> TextPage:
    start = _page_start(start, len(data), HEX_PAGE)
    return _page(hex_dump(data[start : start + HEX_PAGE], start), start, len(data), HEX_PAGE, "bytes")


def hex_dump(data: bytes, first: int = 0) -> str:
    """`00000010  64 65 76 6c …  |devl…|`"""
    rows = (data[at : at + PER_LINE] for at in range(0, len(data), PER_LINE))
    return "\n".join(_hex_line(first + PER_LINE * at, row) for at, row in enumerate(rows))


def text_page(text: str, start: int) -> TextPage:
    start = _page_start(start, len(text), TEXT_PAGE)
    return _page(lines(text[start : start + TEXT_PAGE]), start, len(text), TEXT_PAGE, "characters")


def json_text(value: object) -> str:
    """JavaScript types that JSON does not have stand as `{"$": type, ...}`."""
    return json.dumps(as_tagged(value), ensure_ascii=False, indent=2)


def _hex_line(at: int, row: bytes) -> str:
    pairs = f"{row[:8].hex(' ')}  {row[8:].hex(' ')}"
    return f"{at:08x}  {pairs:<49} |{row.translate(_ASCII).decode('ascii')}|"


def _page_start(start: int, total: int, length: int) -> int:
    """The beginning of the page in which `start` lies; of the last one for what is behind the end."""
    return min(start, max(0, total - 1)) // length * length


def _page(text: str, start: int, total: int, length: int, unit: str) -> TextPage:
    end = min(total, start + length)
    earlier = start - length if start else None
    return TextPage(text, start, end, total, unit, earlier, end if end < total else None)
