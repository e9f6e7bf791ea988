"""The text of devalue, `[v0,v1,...]` or a bare negative number, parsed to the flat list.

Damaged text is read up to the damage.
"""

from __future__ import annotations

import json
import re
from typing import Any

from runs.payloads.model import Problem
from runs.payloads.text import Text
from runs.payloads.values import Invalid

SALVAGED = 100_000
SHOWN = 200

_space = re.compile(r"[ \t\r\n]*")
_lone = re.compile("[\ud800-\udfff]")
_not_json = re.compile(r"NaN|-?Infinity|\d{4301}")


def parse(text: Text) -> tuple[Any, Problem | None]:
    """The list or the bare number, and why the list may be incomplete."""
    problem = None
    try:
        parsed = strict.decode(text.chars)
    except (ValueError, RecursionError) as error:
        parsed, problem = _salvage(text.chars), _problem(text, error)
    return (without_surrogates(parsed) if text.surrogates else parsed), problem


def without_surrogates(value: Any) -> Any:
    """Lone surrogates, which no encoder accepts, replaced by U+FFFD; two levels reach a whole flat list."""
    if isinstance(value, list):
        return [_scrub(item) for item in value]
    return _scrub(value)


def _scrub(item: Any) -> Any:
    if isinstance(item, str):
        return clean(item)
    if isinstance(item, list):
        return [clean(part) if isinstance(part, str) else part for part in item]
    if isinstance(item, dict):
        return {clean(key): clean(part) if isinstance(part, str) else part for key, part in item.items()}
    return item


def clean(text: str) -> str:
    return text if text.isascii() else _lone.sub("\ufffd", text)


def start_of(text: Text, index: int) -> int:
    """The character at which one element of the list starts; 0 where that is too far away to look."""
    if index > SALVAGED or len(text.chars) > 2**20:
        return 0
    at = _skip(text.chars, 0) + 1
    for _ in range(index):
        _, at = _lenient.raw_decode(text.chars, _skip(text.chars, at))
        at = _skip(text.chars, at) + 1
    return _skip(text.chars, at)


def _problem(text: Text, error: Exception) -> Problem:
    if isinstance(error, json.JSONDecodeError):
        return text.problem(error.pos, f"not JSON: {error.msg}")
    if isinstance(error, RecursionError):
        return text.problem(0, "JSON nested too deeply to be devalue")
    found = _not_json.search(text.chars)
    return text.problem(found.start() if found else 0, f"not JSON: {error}")


def _salvage(chars: str) -> list[Any]:
    """The elements before the damage; numbers and words that JSON does not know become Invalid."""
    flat: list[Any] = []
    at = _skip(chars, 0)
    at = at + 1 if chars[at : at + 1] == "[" else len(chars)
    while at < len(chars) and len(flat) < SALVAGED:
        at = _skip(chars, at)
        try:
            item, end = _lenient.raw_decode(chars, at)
        except (ValueError, RecursionError):
            flat.append(Invalid("damaged here", clean(chars[at : at + SHOWN])))
            break
        flat.append(item)
        at = _skip(chars, end)
        if chars[at : at + 1] != ",":
            break
        at += 1
    return flat


def _skip(chars: str, at: int) -> int:
    found = _space.match(chars, at)
    return found.end() if found else at


def _refuse(token: str) -> Any:
    raise ValueError(f"{token} is not a JSON value")


def _odd(token: str) -> Any:
    return Invalid("not a JSON value", token)


def _integer(digits: str) -> Any:
    try:
        return int(digits)
    except ValueError:
        return Invalid(f"a number of {len(digits):,} digits", digits[:SHOWN])


strict = json.JSONDecoder(parse_constant=_refuse)
_lenient = json.JSONDecoder(parse_constant=_odd, parse_int=_integer)
