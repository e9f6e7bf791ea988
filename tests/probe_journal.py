"""What an earlier probe journalled while the recordings were made, in the intake's schema. No database."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from typing import Any

from tests.recordings import RECORDINGS

AT_ONCE = 500
_STATUS = re.compile(r"HTTP (\d{3})")


def recorded() -> list[tuple[str, str]]:
    """The recordings that have such a journal: SDK and label."""
    found = (RECORDINGS / "local").glob("*/*/probe.jsonl.gz")
    return sorted((path.parent.parent.name, path.parent.name) for path in found)


def batches(sdk: str, label: str) -> Iterator[dict[str, Any]]:
    """The journal as batches, as the app would have sent them."""
    journal = gzip.decompress((RECORDINGS / "local" / sdk / label / "probe.jsonl.gz").read_bytes())
    lines = [json.loads(line) for line in journal.splitlines()]
    attempts = {line["seq"]: attempt_of(line) for line in lines if line["ev"] == "call"}
    records = [record for line in lines if (record := record_of(line, attempts)) is not None]
    for number, at in enumerate(range(0, len(records), AT_ONCE), 1):
        yield {
            "v": 1,
            "process": f"recorded-{sdk}-{label}",
            "number": number,
            "sent": max(line.get("tEnd", 0) for line in lines) + 5,
            "app": {"language": "js", "sdk": sdk, "world": "local"},
            "records": records[at : at + AT_ONCE],
        }


def record_of(line: dict[str, Any], attempts: dict[int, Any]) -> dict[str, Any] | None:
    if line["ev"] == "call":
        return _write(line, attempts)
    if line["ev"] == "event":
        return {
            "type": "event",
            "n": line["seq"],
            "event": line["type"],
            "run": line["runId"],
            "id": line.get("corr") or "",
            "called": line["tCall"],
            "took": line["mEnd"] - line["mCall"],
            "ok": line["ok"],
        }
    return None


def _write(line: dict[str, Any], attempts: dict[int, Any]) -> dict[str, Any]:
    own = attempts[line["seq"]]
    record = {
        "type": "write",
        "n": line["seq"],
        "op": "close" if line["op"].endswith("close") else "write",
        "stream": line["stream"],
        "run": line["runId"],
        "called": line["tCall"],
        "took": line["mEnd"] - line["mCall"],
        "ok": line["ok"],
        "chunks": _chunks(line),
        "step": _step(line),
        # The journal knows all calls of the stream that were under way, whoever made them.
        "overlaps": [seq for seq in line["overlaps"] if own is not None and attempts[seq] == own],
        "acquired": _acquired(line.get("ctx") or {}),
    }
    if line.get("writerId"):
        record |= {"writer": line["writerId"], "group": line.get("chunkSeq")}
    if not line["ok"]:
        status = _STATUS.search(line["error"])
        record["error"] = {"message": line["error"], "status": int(status[1]) if status else None}
    return record


def _chunks(line: dict[str, Any]) -> list[dict[str, Any]]:
    tags = line.get("tags") or [None] * line["n"]
    return [
        {"size": size, "hash": digest} | ({"pair": tag["pair"], "order": tag.get("uw")} if tag else {})
        for size, digest, tag in zip(line["sizes"], line["hashes"], tags, strict=True)
    ]


def _step(line: dict[str, Any]) -> dict[str, Any]:
    context = line.get("ctx")
    if context and context.get("stepId"):
        known = "exact" if line.get("tags") else "context"
        return {
            "id": context["stepId"],
            "name": context["stepName"],
            "attempt": context["attempt"],
            "known": known,
        }
    tagged = next((tag["step"] for tag in line.get("tags") or [] if tag and tag.get("step")), None)
    return {"id": tagged, "known": "exact"} if tagged else {}


def attempt_of(line: dict[str, Any]) -> tuple[str, int | None] | None:
    step = _step(line)
    return (step["id"], step.get("attempt")) if step else None


def _acquired(context: dict[str, Any]) -> int | None:
    return (
        context.get("ops") if context.get("ops") is not None else len(context.get("writables") or []) or None
    )
