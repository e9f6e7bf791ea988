"""Bodies read as they pass: what is in them, without keeping them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

HEADER = 4


@dataclass
class Field:
    """A piece of a body: its size, its SHA-256, and its first bytes."""

    keep: int = 0
    size: int = 0
    head: bytes = b""
    _sha: "hashlib._Hash" = field(default_factory=hashlib.sha256)  # noqa: UP037 - exists for type checkers only

    def feed(self, data: bytes) -> None:
        self.size += len(data)
        self._sha.update(data)
        if len(self.head) < self.keep:
            self.head += data[: self.keep - len(self.head)]

    @property
    def hash(self) -> str:
        return self._sha.hexdigest()[:16]


class Fields:
    """Reads `u32 big-endian length, that many bytes` over and over: batches of chunks, frames of events.

    `done` holds the fields that are complete, at most `most` of them; `keep` says how much of each is kept.
    """

    def __init__(self, keep: int = 0, most: int = 2_000) -> None:
        self.done: list[Field] = []
        self._keep, self._most = keep, most
        self._header = b""
        self._open: Field | None = None
        self._missing = 0

    def feed(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[self._take(view) :]

    def _take(self, view: memoryview) -> int:
        if self._open is None:
            return self._take_header(view)
        taken = min(self._missing, len(view))
        self._open.feed(bytes(view[:taken]))
        self._missing -= taken
        self._finish()
        return taken

    def _take_header(self, view: memoryview) -> int:
        taken = min(HEADER - len(self._header), len(view))
        self._header += bytes(view[:taken])
        if len(self._header) == HEADER:
            self._missing = int.from_bytes(self._header, "big")
            self._header = b""
            self._open = Field(self._keep)
            self._finish()
        return taken

    def _finish(self) -> None:
        if self._open is not None and not self._missing:
            if len(self.done) < self._most:
                self.done.append(self._open)
            self._open = None


class Whole:
    """A body that is one piece."""

    def __init__(self, keep: int = 0) -> None:
        self.field = Field(keep)

    def feed(self, data: bytes) -> None:
        self.field.feed(data)

    @property
    def done(self) -> list[Field]:
        return [self.field] if self.field.size else []
