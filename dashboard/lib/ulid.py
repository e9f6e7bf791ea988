"""The time inside a ULID, the 26-character id that the Workflow SDK gives to almost everything."""

from __future__ import annotations

import re

_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_AS_BASE_32 = str.maketrans(
    _DIGITS + _DIGITS.lower(), "0123456789ABCDEFGHIJKLMNOPQRSTUV" * 2
)  # as int() reads them
_ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}", re.IGNORECASE | re.ASCII)  # at most 48 bits of time
_END = 2**48


def ulid_ms(text: str) -> int | None:
    """Milliseconds since 1970 in the ULID that ends `text` (`chnk_01M803...`); None if it is none."""
    match = _ULID.fullmatch(text, max(0, len(text) - 26))
    return int(match[0][:10].translate(_AS_BASE_32), 32) if match else None


def shift_ulid(ulid: str, by_ms: int) -> str:
    """The same ULID at another time, so that order and distances stay."""
    value = ((ulid_ms(ulid) or 0) + by_ms) % _END
    digits = ""
    for _ in range(10):
        value, digit = divmod(value, 32)
        digits = _DIGITS[digit] + digits
    return digits + ulid[10:]
