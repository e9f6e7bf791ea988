"""What was found, and what could not be checked, as a bundle says it."""

from __future__ import annotations

from typing import Any

from dashboard.anomalies.models import Checkpoint, Finding
from dashboard.bundle.redact import safe_text, safe_values
from streams.models import Stream

# Findings of these kinds speak of steps, clocks and numbers alone. What another one quotes may be user text.
WITHOUT_TEXT = frozenset(
    {
        "chunk_lost",
        "closed_more_than_once",
        "closed_while_writing",
        "never_closed",
        "out_of_order",
        "racing_writers",
        "stream_unlisted",
        "write_after_close",
        "write_after_run_end",
        "write_rejected",
    }
)


def verdict_of(stream: Stream, *, has_payloads: bool) -> dict[str, Any]:
    """`judged` says whether all that the bundle holds was judged, or something came in since."""
    found = Finding.objects.filter(stream=stream).order_by("kind")
    checkpoint = Checkpoint.objects.filter(stream=stream).first()
    unchecked = checkpoint.unchecked if checkpoint is not None else []
    return {
        "judged": checkpoint is not None and checkpoint.changes == stream.changes,
        "findings": [_finding(one, has_payloads) for one in found],
        "unchecked": [{"kind": one["kind"], "reason": safe_text(one["reason"])} for one in unchecked],
    }


def _finding(one: Finding, has_payloads: bool) -> dict[str, Any]:
    is_safe = has_payloads or one.kind in WITHOUT_TEXT
    return {
        "kind": one.kind,
        "severity": one.severity,
        "certainty": one.certainty,
        "message": safe_text(one.message) if is_safe else _said_plainly(one),
        "step_id": one.step_id,
        "chunks": one.chunks,
        "chunk_total": one.chunk_total,
        "events": one.events,
        "evidence": safe_values(one.evidence) if is_safe else _numbers(one.evidence),
        "missing": one.missing,
        "detector_version": one.detector_version,
        "found_ns": one.found_ns,
    }


def _said_plainly(one: Finding) -> str:
    codes = one.evidence.get("violations") if one.kind == "protocol_violation" else None
    chunks = f"{one.chunk_total} chunk{'' if one.chunk_total == 1 else 's'}"
    if not isinstance(codes, dict):
        return f"{one.kind.replace('_', ' ').capitalize()} at {chunks}."
    words = ", ".join(f"{str(code).replace('-', ' ')} ({count})" for code, count in sorted(codes.items()))
    verb = "breaks" if one.chunk_total == 1 else "break"
    return f"{chunks} {verb} the grammar of the message: {words}."


def _numbers(evidence: dict[str, Any]) -> dict[str, Any]:
    """Counts by the detector's own words, and no text."""
    kept: dict[str, Any] = {}
    for name, value in evidence.items():
        if name in {"violations", "noted"} or isinstance(value, int | float) or _is_numbers(value):
            kept[name] = value
    return kept


def _is_numbers(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, int | float) for one in value)
