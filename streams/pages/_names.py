"""Stream names as people read them: `strm_<ulid>_user_<base64url of the namespace>`."""

from __future__ import annotations

import base64
import binascii
import re

from runs.pages._format import short_id, visible

_NAME = re.compile(r"strm_([0-9A-HJKMNP-TV-Z]{26})(?:_(user|system)(?:_([A-Za-z0-9_-]+))?)?$")


def namespace_of(name: str) -> str | None:
    """The namespace given to `getWritable`; None for a stream that has none (or no such name)."""
    match = _NAME.match(name)
    return _decoded(match[3]) if match and match[2] == "user" and match[3] else None


def suffixes_of(namespace: str) -> tuple[str, ...]:
    """How the names of a namespace's streams end. `default` is what people read where there is none."""
    coded = base64.urlsafe_b64encode(namespace.encode("utf-8", "replace")).decode().rstrip("=")
    return (f"_user_{coded}", "_user") if namespace == "default" else (f"_user_{coded}",)


def title_of(name: str) -> str:
    """`default`, the namespace, or for other streams the end of the name."""
    match = _NAME.match(name)
    if match is None:
        return visible(name)
    if match[2] == "system":
        return f"system {match[3] or ''}".strip()
    if match[2] is None:
        return f"stream {short_id(match[1])}"
    return visible(_decoded(match[3]) or match[3]) if match[3] else "default"


def _decoded(text: str) -> str | None:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
    except (binascii.Error, ValueError):
        return None
