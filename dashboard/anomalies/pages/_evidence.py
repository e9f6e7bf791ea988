"""The evidence of one finding: its facts in words, and the parts of the stream page that show it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from django.urls import reverse

from dashboard.anomalies.models import Finding
from runs.pages._format import visible

FACTS, ITEMS, CHARS = 24, 4, 300
CHUNKS = 12  # named one by one
_ORDER_KINDS = frozenset({"out_of_order", "racing_writers", "protocol_violation", "live_reader_diverges"})
_LANE_KINDS = _ORDER_KINDS | {
    "chunk_lost", "closed_while_writing", "write_after_close", "write_rejected", "double_execution",
    "repeated_by_retry",
}  # fmt: skip


def evidence_of(finding: Finding) -> dict[str, Any]:
    chunks = finding.chunks[:CHUNKS]
    return {
        "facts": list(_facts(finding.evidence)),
        "chunks": chunks,
        "chunks_left": max(0, finding.chunk_total - len(chunks)),
        "events": [visible(str(event)) for event in finding.events[:CHUNKS]],
        "missing": [visible(str(one)) for one in finding.missing],
        "parts": parts_of(finding),
    }


def parts_of(finding: Finding) -> list[dict[str, str]]:
    """What is asked of the stream page, in the order in which it tells: texts, orders, lanes, rows."""
    stream = finding.stream
    if stream is None or not stream.head or stream.pruned_ns is not None:
        return []
    base = reverse("stream", args=[stream.world.slug, stream.name])
    at = finding.chunks[0]["arrival"] if finding.chunks else ""
    parts = [("rebuilt", "Rebuilt message", "")]
    if finding.kind in _ORDER_KINDS and stream.head > 1:
        parts.append(("orders", "Orders", f"&near={at}" if at else ""))
    if finding.kind in _LANE_KINDS and stream.write_revision:
        parts.append(("lanes", "Lanes", ""))
    parts.append(("rows", "Chunks", f"&at={at}" if at else ""))
    return [
        {"part": part, "title": title, "base": base, "url": f"{base}?part={part}{more}", "at": str(at)}
        for part, title, more in parts
    ]


def _facts(evidence: Any) -> Iterator[tuple[str, str]]:
    """Names and values that a detector gave; what is nested is written as JSON, cut short."""
    pairs = list(evidence.items()) if isinstance(evidence, dict) else []
    for name, value in pairs[:FACTS]:
        label = visible(str(name)).replace("_", " ")
        if isinstance(value, list) and value and all(isinstance(one, dict) for one in value):
            for at, one in enumerate(value[:ITEMS]):
                yield (f"{label} {at + 1}", _pairs(one))
            if len(value) > ITEMS:
                yield (label, f"{len(value) - ITEMS} more")
        else:
            yield (label, _text(value))


def _pairs(value: dict[str, Any]) -> str:
    return _cut(", ".join(f"{str(name).replace('_', ' ')}: {_text(one)}" for name, one in value.items()))


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}" if abs(value) < 10**12 else str(value)
    return _cut(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str))


def _cut(text: str) -> str:
    return visible(text if len(text) <= CHARS else text[: CHARS - 1] + "…")
