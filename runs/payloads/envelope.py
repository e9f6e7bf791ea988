"""The envelopes around a payload: `[4-byte tag][body]`, encryption outside, compression, devalue inside."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from runs.payloads.crypto import unseal
from runs.payloads.inflate import inflate
from runs.payloads.model import LayerError, Limits, Problem, problem_at
from runs.payloads.text import Text, text_of
from runs.payloads.values import TypedBytes

TAGS = frozenset((b"devl", b"encr", b"encp", b"gzip", b"zstd"))
MOST_LAYERS = 4

_future_tag = re.compile(rb"[a-z0-9]{4}")


@dataclass(slots=True)
class Envelope:
    """How far a payload was opened: the layers met, the innermost bytes, and the first problem."""

    body: bytes
    layers: list[str] = field(default_factory=list)
    problem: Problem | None = None

    def open(self, key: bytes | None, limits: Limits) -> None:
        """Goes in to the devalue text. LayerError where that is not possible."""
        while self._peel(key, limits):
            if len(self.layers) >= MOST_LAYERS:
                reason = f"more than {MOST_LAYERS} envelopes inside one another"
                raise LayerError("corrupt", problem_at(self.layers[-1], self.body, 0, reason))

    def text(self) -> Text:
        """The devalue text, once opened. The bytes are let go: a large text is not held twice."""
        body, self.body = self.body, b""
        return text_of(body)

    def _peel(self, key: bytes | None, limits: Limits) -> bool:
        tag = self.body[:4]
        if tag not in TAGS:
            raise _unsupported(self.body)
        self.layers.append(tag.decode())
        if tag == b"devl":
            return False
        try:
            self.body = unseal(self.body, key) if tag[:3] == b"enc" else inflate(self.body, limits.inflated)
        except LayerError as error:
            if not error.partial:
                raise
            self.body, self.problem = error.partial, error.problem
        return True


def _unsupported(data: bytes) -> LayerError:
    tag = data[:4]
    if not data:
        reason = "empty"
    elif _future_tag.fullmatch(tag):
        reason = f"the format {tag.decode()!r} is not known"
    else:
        reason = f"starts with {tag!r}, which is no format tag"
    value = TypedBytes("Uint8Array", data) if data else None
    return LayerError("unsupported", problem_at("envelope", data, 0, reason), value)
