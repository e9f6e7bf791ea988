"""Chunks as lines for other programs: NDJSON with everything that is known of each, CSV for spreadsheets, bytes."""

from __future__ import annotations

import base64
import csv
import io
import json
from typing import Any

from runs.payloads import as_tagged, decode_chunk
from streams.models import Chunk, Stream
from streams.order import mark_names

VALUE_CHARS = 30_000  # of a value in a spreadsheet's cell, which holds 32,767
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
COLUMNS = (
    "arrival", "position", "sequence", "chunk_id", "is_close", "marks", "size", "digest",
    "minted_ms", "stored_ns", "observed_ns", "step", "step_id", "attempt", "known", "value", "problem",
)  # fmt: skip


def ndjson(stream: Stream, rows: list[Chunk]) -> bytes:
    lines = (json.dumps(facts_of(stream, row), ensure_ascii=False) for row in rows)
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogatepass")


def csv_head() -> bytes:
    return (",".join(COLUMNS) + "\r\n").encode()


def csv_lines(stream: Stream, rows: list[Chunk]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text)
    for row in rows:
        facts = facts_of(stream, row)
        facts["marks"] = " ".join(facts["marks"])
        if "value" in facts:
            facts["value"] = json.dumps(facts["value"], ensure_ascii=False)[:VALUE_CHARS]
        writer.writerow([_cell(facts.get(name)) for name in COLUMNS])
    return text.getvalue().encode("utf-8", "replace")


def _cell(value: Any) -> Any:
    """Text of the world that a spreadsheet would take for a formula is quoted."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def identity_of(row: Chunk) -> dict[str, Any]:
    """Which chunk it is, and where it stands in each order."""
    return {
        "arrival": row.arrival,
        "position": row.position,
        "sequence": row.sequence,
        "chunk_id": row.chunk_id,
        "is_close": row.is_close,
        "marks": mark_names(row.marks),
        "size": row.size,
        "digest": bytes(row.digest).hex(),
    }


def clocks_of(row: Chunk) -> dict[str, int | None]:
    """The writer's, the world's and ours."""
    return {"minted_ms": row.minted_ms, "stored_ns": row.stored_ns, "observed_ns": row.observed_ns}


def facts_of(stream: Stream, row: Chunk) -> dict[str, Any]:
    """One chunk with all its clocks. `value` if it can be read, else `data` in base64 and `problem`."""
    facts = identity_of(row) | clocks_of(row)
    if row.writer is not None:
        facts |= {"step": row.writer.step_name, "step_id": row.writer.step_id, "attempt": row.writer.attempt}
        facts["known"] = row.writer.known
    return facts if row.is_close else facts | _payload(stream, row)


def _payload(stream: Stream, row: Chunk) -> dict[str, Any]:
    data = bytes(row.data)
    raw = {"data": base64.b64encode(data).decode()}
    if len(data) < row.size:
        return raw | {"problem": f"only the first {len(data)} of {row.size} bytes are kept"}
    chunk = decode_chunk(data, framing=stream.framing or None)
    read = [one.value for one in chunk.values if one.status == "ok"]
    if not read or len(read) < len(chunk.values):
        reason = next((one.problem.reason for one in chunk.values if one.problem is not None), "")
        return raw | {"problem": reason or (chunk.problem.reason if chunk.problem else "cannot be read")}
    return {"value": as_tagged(read[0] if len(read) == 1 else read)}
