"""What a text or a pattern is looked for in: a payload as it is stored, and the texts that it decodes to. Pure.

Patterns run on RE2, whose time grows with the text alone: no pattern makes it try one text over and over.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import re2  # type: ignore[import-untyped]

from runs.payloads import ChunkValue, TypedBytes, as_plain, as_tagged, decode_chunk
from streams.chunk_types import chunk_type

TEXT_CHARS = 200
MEMORY = 256 * 1024  # of one compiled pattern; a larger one would also take long on each text
ESCAPES = 2  # JSON within JSON is usual, deeper is not
_PATTERN = re.compile(r"/(.+)/(i?)", re.DOTALL)
_WORD = re.compile(r"\w+")
_ESCAPE = re.compile(r'\\(?:u([0-9a-fA-F]{4})|(["\\/bfnrt]))')
_SIGNS = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
# What makes the text of a decoded value hold other words than its payload: escapes, special types and values.
_NOT_VERBATIM = re.compile(rb'\\|,\[["]|[:,\[]-[1-9]')
_HINTS = {
    "invalid perl operator": "look-ahead and look-behind are not supported",
    "invalid escape sequence": "no such escape, or a reference back, which is not supported",
    "pattern too large": "it is too large: repeat less",
}


@dataclass(frozen=True, slots=True)
class Needle:
    """What is looked for. `words`: each must be in a text that holds it; a pattern has none."""

    is_in: Callable[[str], bool]
    words: tuple[str, ...] = ()
    trouble: str = ""  # why it cannot be used; then it is in nothing


@lru_cache(maxsize=64)
def needle_of(text: str) -> Needle:
    """`/pattern/` or `/pattern/i`; anything else is text, looked for whatever its case."""
    if len(text) > TEXT_CHARS:
        return _unusable(f"At most {TEXT_CHARS} characters can be looked for, these are {len(text):,}.")
    pattern = _PATTERN.fullmatch(text)
    if pattern is not None:
        return _compiled(pattern[1], any_case=bool(pattern[2]))
    folded = text.casefold()
    return Needle(lambda found: folded in found.casefold(), tuple(_WORD.findall(folded)))


def _unusable(trouble: str) -> Needle:
    return Needle(lambda _: False, trouble=trouble)


def _compiled(pattern: str, *, any_case: bool) -> Needle:
    options = re2.Options()
    options.max_mem, options.log_errors, options.case_sensitive = MEMORY, False, not any_case
    try:
        search = re2.compile(pattern, options).search
    except re2.error as error:
        return _unusable(_reason(error))
    except UnicodeEncodeError:
        return _unusable("This is no pattern: half of a sign that takes two.")
    return Needle(lambda found: search(found.encode("utf-8", "replace")) is not None)


def _reason(error: Exception) -> str:
    told = error.args[0] if error.args else ""
    told = told.decode("utf-8", "replace") if isinstance(told, bytes) else str(told)
    hint = next((words for start, words in _HINTS.items() if told.startswith(start)), "")
    return f"This is no pattern that can be used: {told}{f' ({hint})' if hint else ''}."


class Payload:
    """What one chunk holds, decoded at most once, and only if it has to be."""

    def __init__(self, data: bytes, *, is_close: bool, framing: str = "", key: bytes | None = None) -> None:
        self._data, self._is_close, self._framing, self._key = data, is_close, framing, key

    @cached_property
    def chunk(self) -> ChunkValue:
        return decode_chunk(self._data, key=self._key, framing=self._framing or None)

    @property
    def type(self) -> str:
        """The `type` of an AI SDK chunk, `close` for an end marker; empty for anything else."""
        if self._is_close:
            return "close"
        values = self.chunk.values
        return (chunk_type(as_plain(values[0].value)) or "") if values and values[0].status == "ok" else ""

    @property
    def is_sealed(self) -> bool:
        return b"enc" in self._data and any(value.status == "encrypted" for value in self.chunk.values)

    def holds(self, needle: Needle) -> bool:
        stored = self._data.decode("utf-8", "replace")
        if any(needle.is_in(text) for text in _unescaped(stored)):
            return True
        if needle.words and not self._may_hold(needle, stored):
            return False
        return any(needle.is_in(text) for text in self._texts())

    def _may_hold(self, needle: Needle, stored: str) -> bool:
        """Decoding takes ten times what this does: most payloads say by themselves that they lack a word."""
        if self._data[4:8] != b"devl" or _NOT_VERBATIM.search(self._data, 8):
            return True
        folded = stored.casefold()
        return all(word in folded for word in needle.words)

    def _texts(self) -> Iterator[str]:
        for value in self.chunk.values:
            if value.status != "ok":
                continue
            if isinstance(value.value, TypedBytes):
                yield value.value.data.decode("utf-8", "replace")
                continue
            tagged = as_tagged(value.value)
            yield json.dumps(tagged, ensure_ascii=False, separators=(",", ":"))
            for text in _strings(tagged):
                yield from _unescaped(text)


def _strings(value: Any) -> Iterator[str]:
    left = [value]
    while left:
        item = left.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, dict):
            left += item.values()
        elif isinstance(item, list):
            left += item


def _unescaped(text: str) -> Iterator[str]:
    """The text, and what it says where it is JSON: `\\u00e9` is `é`, `\\"` a quote."""
    yield text
    for _ in range(ESCAPES):
        if "\\" not in text:
            return
        text = _ESCAPE.sub(_sign, text).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        yield text


def _sign(found: re.Match[str]) -> str:
    return chr(int(found[1], 16)) if found[1] else _SIGNS.get(found[2], found[2])
