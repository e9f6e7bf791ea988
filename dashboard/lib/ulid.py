"""The time inside a ULID, the 26-character id that the Workflow SDK gives to almost everything."""

from __future__ import annotations

_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_VALUE = {char: value for value, char in enumerate(_DIGITS)}
_END = 2**48  # milliseconds: more than 48 bits of time cannot be a ULID


def ulid_ms(text: str) -> int | None:
    """Milliseconds since 1970 in the ULID that ends `text` (`chnk_01M803...`); None if it is none."""
    ulid = text[-26:].upper()
    if len(ulid) != 26 or any(char not in _VALUE for char in ulid):
        return None
    value = 0
    for char in ulid[:10]:
        value = value * 32 + _VALUE[char]
    return value if value < _END else None


def shift_ulid(ulid: str, by_ms: int) -> str:
    """The same ULID at another time, so that order and distances stay."""
    value = ((ulid_ms(ulid) or 0) + by_ms) % _END
    digits = ""
    for _ in range(10):
        value, digit = divmod(value, 32)
        digits = _DIGITS[digit] + digits
    return digits + ulid[10:]
