"""The two lines of a finding's evidence that matter most, chosen by its kind; payload content only on request."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from dashboard.anomalies.models import Finding
from runs.pages._format import visible
from runs.payloads import decode_chunk, preview
from streams.models import Chunk

LINES, CHARS, ITEMS = 2, 200, 3
_MATTERS: Mapping[str, tuple[str, ...]] = {
    "chunk_lost": ("causes", "steps"),
    "closed_while_writing": ("writing", "running", "closed_by"),
    "double_execution": ("steps", "chunks_again"),
    "duplicate_chunk": ("chunks_again", "batches"),
    "live_reader_diverges": ("live_chunks", "later_chunks"),
    "never_closed": ("run_status", "message_unfinished"),
    "out_of_order": ("order_known_from", "steps"),
    "protocol_violation": ("violations", "ai_sdk_majors_that_throw"),
    "racing_writers": ("steps", "step_total"),
    "repeated_by_retry": ("attempts", "chunks_again"),
    "undecodable_chunk": ("reasons", "chunks"),
    "write_after_close": ("closed_by", "bytes"),
    "write_after_run_end": ("seconds_late", "run_status"),
    "write_rejected": ("lost", "steps"),
    "replay_divergence": ("error_code", "sdk_version"),
}
_PRIVATE = frozenset(
    ("quotes", "error", "errors", "rejected", "token", "tokens", "text")
)  # may quote an app's data


def evidence_of(finding: Finding, with_payload: bool) -> list[tuple[str, str]]:
    """Labels and values, each on one line."""
    facts = finding.evidence if isinstance(finding.evidence, dict) else {}
    matters = [name for name in _MATTERS.get(finding.kind, ()) if name in facts]
    names = [*matters, *(name for name in facts if name not in matters)]
    found = [(_label(name), _text(facts[name])) for name in names if with_payload or name not in _PRIVATE][
        :LINES
    ]
    if len(found) < LINES and finding.chunks:
        found += list(_chunks(finding))
    if with_payload:
        found += list(_payload(finding))
    return found


def _chunks(finding: Finding) -> Iterator[tuple[str, str]]:
    first = finding.chunks[0]
    more = f" and {finding.chunk_total - 1:,} more" if finding.chunk_total > 1 else ""
    yield ("Chunks", f"arrival {first.get('arrival')}{more}")


def _payload(finding: Finding) -> Iterator[tuple[str, str]]:
    """What the first chunk that shows it holds; nothing where it is encrypted, cut or gone."""
    arrival = finding.chunks[0].get("arrival") if finding.chunks else None
    if finding.stream is None or not isinstance(arrival, int):
        return
    row = Chunk.objects.filter(stream=finding.stream, arrival=arrival, is_close=False)
    data = row.values_list("data", flat=True).first()
    decoded = decode_chunk(bytes(data), framing=finding.stream.framing or None) if data else None
    if decoded is not None and decoded.values and decoded.values[0].status == "ok":
        yield (f"Chunk {arrival}", visible(preview(decoded.values[0].value, CHARS)))


def _label(name: object) -> str:
    return visible(str(name)).replace("_", " ").capitalize()


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, dict):
        return _cut(", ".join(f"{name}: {_text(one)}" for name, one in list(value.items())[:ITEMS]))
    if isinstance(value, list):
        return _cut("; ".join(_text(one) for one in value[:ITEMS]) or "none")
    return _cut(value if isinstance(value, str) else json.dumps(value, default=str))


def _cut(text: str) -> str:
    return visible(text if len(text) <= CHARS else text[: CHARS - 1] + "…")
