"""The time inside a ULID, the 26-character id that the Workflow SDK gives to almost everything."""

from __future__ import annotations

_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_END = 2**48
_REGION_TAG = 2**47
_LATEST = (2**63 - 1) // 1_000_000
# As int() reads base 32; every other character becomes one that it refuses.
_AS_BASE_32 = dict.fromkeys(range(128), "!") | str.maketrans(
    _DIGITS + _DIGITS.lower(), "0123456789ABCDEFGHIJKLMNOPQRSTUV" * 2
)


def ulid_ms(text: str) -> int | None:
    """Milliseconds since 1970 in the ULID that ends `text` (`chnk_01M803...`); None if it is none.

    Vercel's 5.x run ids carry a region, told by the highest bit of the time (`wrun_41M8...`). A time that
    nanoseconds cannot hold in 63 bits (after 2262) was made up.
    """
    ulid = text[-26:]
    if len(ulid) != 26 or not ulid.isascii():
        return None
    try:
        value = int(ulid.translate(_AS_BASE_32), 32) >> 80
    except ValueError:
        return None
    if value >= _END:
        return None
    value &= ~_REGION_TAG
    return value if value <= _LATEST else None


def shift_ulid(ulid: str, by_ms: int) -> str:
    """The same ULID at another time, so that order and distances stay."""
    value = ((ulid_ms(ulid) or 0) + by_ms) % _END
    digits = ""
    for _ in range(10):
        value, digit = divmod(value, 32)
        digits = _DIGITS[digit] + digits
    return digits + ulid[10:]
