"""Payloads to values. Nothing here raises: what cannot be read is reported in the result."""

from __future__ import annotations

import reprlib
from collections.abc import Callable

from runs.payloads.devalue import SLOW, SMALL, Outcome, quick, read
from runs.payloads.envelope import Envelope
from runs.payloads.model import DEFAULT_LIMITS, Decoded, LayerError, Limits, problem_at
from runs.payloads.text import Text

DEVL = ("devl",)


def decode(data: bytes, *, key: bytes | None = None, limits: Limits = DEFAULT_LIMITS) -> Decoded:
    """One stored payload with its envelopes. `key` is the run's key (see `run_key`)."""
    if data.__class__ is not bytes:
        data = bytes(data)
    if data[:4] == b"devl" and limits.nodes >= SMALL:
        value = quick(data)
        if value is not SLOW:
            return Decoded("ok", value, DEVL, len(data), None)
    return _decode(data, key, limits, lambda text: read(text, limits))


def open_node(
    data: bytes, index: int, *, start: int = 0, key: bytes | None = None, limits: Limits = DEFAULT_LIMITS
) -> Decoded:
    """The value at one index of the payload's flat list, without its first `start` entries.

    `Truncated` nodes carry both numbers. With `Limits(depth=1)` only the node's own entries are built,
    and everything below them is `Truncated` in turn.
    """
    return _decode(bytes(data), key, limits, lambda text: read(text, limits, index, start))


def _decode(data: bytes, key: bytes | None, limits: Limits, reader: Callable[[Text], Outcome]) -> Decoded:
    envelope = Envelope(data)
    try:
        envelope.open(key, limits)
        status, value, problem = reader(envelope.text())
        if envelope.problem is not None:
            status, problem = "corrupt", envelope.problem
    except LayerError as error:
        status, value, problem = error.status, error.value, envelope.problem or error.problem
    except Exception as error:
        # Pages show what is stored, whatever it is: a fault of the decoder is part of the report.
        layer = envelope.layers[-1] if envelope.layers else "envelope"
        reason = f"{type(error).__name__}: {reprlib.repr(str(error))}"
        status, value, problem = "corrupt", None, problem_at(layer, envelope.body, 0, reason)
    return Decoded(status, value, tuple(envelope.layers), len(data), problem)
