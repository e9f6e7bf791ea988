"""Pictures and text inside values. Only four picture formats are ever drawn; SVG and HTML stay text."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

IMAGE_MAX = 2 * 2**20  # bytes
TEXT_MAX = 64 * 1024  # characters of a text inside a `data:` URL

_IMAGE = re.compile(r"data:image/(?:png|jpe?g|gif|webp);base64,", re.IGNORECASE)
_TEXT = re.compile(
    r"data:(?:text/[a-z0-9.+-]{1,40}|application/json|image/svg\+xml)(?:;(?!base64)[^;,]{1,60}){0,3}(;base64)?,",
    re.IGNORECASE,
)


def image_type(data: bytes) -> str:
    """The media type that the bytes themselves prove; empty for all others."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return ""


def image_in(data: bytes) -> str:
    """A URL for `<img src>`, made anew from the bytes; empty where they are no picture that is drawn."""
    kind = image_type(data) if len(data) <= IMAGE_MAX else ""
    return f"data:{kind};base64,{base64.b64encode(data).decode()}" if kind else ""


def bytes_of(text: str) -> bytes:
    """The picture in a `data:` URL, whatever it says it is; empty for any other text."""
    found = _IMAGE.match(text)
    if found is None or len(text) > IMAGE_MAX * 4 // 3 + 64:
        return b""
    return _from_base64(text[found.end() :])


def text_in(url: str) -> str | None:
    """The text in a `data:` URL of a text type, to be shown as text; None for any other text."""
    found = _TEXT.match(url)
    if found is None:
        return None
    rest = url[found.end() : found.end() + TEXT_MAX]
    data = _from_base64(rest[: len(rest) // 4 * 4]) if found[1] else unquote_to_bytes(rest)
    return data.decode("utf-8", "replace")


def file_part(value: Mapping[str, Any]) -> bytes:
    """The picture in a file part of an older message: `{mimeType: "image/png", data: base64}`."""
    kind = value.get("mediaType") or value.get("mimeType")
    data = value.get("data")
    if not isinstance(kind, str) or not kind.startswith("image/") or not isinstance(data, str):
        return b""
    return _from_base64(data) if len(data) <= IMAGE_MAX * 4 // 3 + 4 else b""


def _from_base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
