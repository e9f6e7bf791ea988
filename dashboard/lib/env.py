"""Settings come from the environment; a bad value is an error that names its variable."""

from __future__ import annotations

import os
import re
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

_TRUE, _FALSE = {"1", "true", "yes", "on"}, {"0", "false", "no", "off", ""}
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_BYTES = {"kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}


def text(name: str, default: str = "") -> str:
    return os.environ.get(name, default).strip()


def flag(name: str, default: bool = False) -> bool:
    value = os.environ.get(name)
    if value is None:
        return default
    if value.strip().lower() in _TRUE | _FALSE:
        return value.strip().lower() in _TRUE
    raise ImproperlyConfigured(f"{name}={value!r} is neither on nor off (use 1 or 0)")


def number(name: str, default: float, low: float, high: float) -> float:
    raw = os.environ.get(name)
    if raw is None or not raw.strip():
        return default
    try:
        value = float(raw)
    except ValueError:
        raise ImproperlyConfigured(f"{name}={raw!r} is not a number") from None
    if not low <= value <= high:
        raise ImproperlyConfigured(f"{name}={raw!r} is not between {low:g} and {high:g}")
    return value


def secret(name: str, shortest: int) -> str:
    """Empty where it is not set; a short one is refused without being shown."""
    value = text(name)
    if value and len(value) < shortest:
        raise ImproperlyConfigured(f"{name} has {len(value)} characters, it must have at least {shortest}")
    return value


def base_url(name: str) -> str:
    """An http or https address without a slash at its end; empty where it is not set."""
    value = text(name).rstrip("/")
    parts = urlsplit(value)
    if value and (
        parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment
    ):
        raise ImproperlyConfigured(f"{name}={value!r} is no address such as https://tailrace.example.org")
    return value


def words(name: str, default: str = "") -> list[str]:
    return [word.strip() for word in text(name, default).split(",") if word.strip()]


def duration(value: str) -> int | None:
    """Seconds in `30d`, `12h`, `90m`; None if it is no duration."""
    match = re.fullmatch(r"(\d{1,6})\s*([smhdw])", value.strip().lower())
    return int(match[1]) * _UNITS[match[2]] if match else None


def size(value: str) -> int | None:
    """Bytes in `2GB`, `500MB`; None if it is no size."""
    match = re.fullmatch(r"(\d{1,6}(?:\.\d+)?)\s*(kb|mb|gb|tb)", value.strip().lower())
    return int(float(match[1]) * _BYTES[match[2]]) if match else None
