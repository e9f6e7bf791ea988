"""The time inside a ULID, the 26-character id that the Workflow SDK gives to almost everything."""

from __future__ import annotations

_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_END = 2**48
# As int() reads base 32; every other character becomes one that it refuses.
_AS_BASE_32 = dict.fromkeys(range(128), "!") | str.maketrans(
    _DIGITS + _DIGITS.lower(), "0123456789ABCDEFGHIJKLMNOPQRSTUV" * 2
)


def ulid_ms(text: str) -> int | None:
    """Milliseconds since 1970 in the ULID that ends `text` (`chnk_01M803...`); None if it is none."""
    ulid = text[-26:]
    if len(ulid) != 26 or not ulid.isascii():
        return None
    try:
        value = int(ulid.translate(_AS_BASE_32), 32) >> 80
    except ValueError:
        return None
    return value if value < _END else None


def shift_ulid(ulid: str, by_ms: int) -> str:
    """The same ULID at another time, so that order and distances stay."""
    value = ((ulid_ms(ulid) or 0) + by_ms) % _END
    digits = ""
    for _ in range(10):
        value, digit = divmod(value, 32)
        digits = _DIGITS[digit] + digits
    return digits + ulid[10:]
