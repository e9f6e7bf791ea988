"""Plays a recorded real run (SDK 4.2.4, every write as slow as over HTTP) into a fresh directory, in real time.

In it a step takes a new writer for each chunk, so the text arrives scrambled (vercel/workflow#2058), and a
workflow closes its stream before its last steps have written (the family of vercel/workflow#1949).
"""

from __future__ import annotations

import base64
import json
import os
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

from dashboard.lib.clock import NS_PER_MS, NS_PER_S, now_ns, parse_iso_ns
from dashboard.lib.ulid import shift_ulid

LEAD_IN = 3.0  # seconds before the first write: time to open the page
PAUSE = 10.0  # seconds between two plays
_ID = re.compile(r"(?<=_)0[0-9A-HJKMNP-TV-Z]{25}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


@dataclass(frozen=True, slots=True)
class Entry:
    """One file as it was written, `at` nanoseconds after the first."""

    at: int
    path: str
    content: Any  # a JSON record, or the bytes of a chunk


def recording() -> list[Entry]:
    raw = json.loads(files(__name__).joinpath("recording.json").read_text(encoding="utf-8"))
    first = raw[0]["at"]
    return [
        Entry(
            one["at"] - first, one["path"], one["json"] if "json" in one else base64.b64decode(one["base64"])
        )
        for one in raw
    ]


def play(root: Path, stop: threading.Event, plays: int) -> None:
    """Write the recording `plays` times as if it happened now: new ids, today's times, the same intervals."""
    entries = recording()
    if stop.wait(LEAD_IN):
        return
    for _ in range(plays):
        began = now_ns()
        for entry in _as_of(entries, began):
            if stop.wait(max(0, began + entry.at - now_ns()) / NS_PER_S):
                return
            _write(root / entry.path, entry.content)
        if stop.wait(PAUSE):
            return


def _as_of(entries: list[Entry], began: int) -> Iterator[Entry]:
    """The recording moved to `began`: the time in every id and every date goes along."""
    created = next(parse_iso_ns(e.content["createdAt"]) for e in entries if e.path.startswith("runs/"))
    shift_ms = (began - (created or 0)) // NS_PER_MS
    for entry in entries:
        yield Entry(entry.at, _move_text(entry.path, shift_ms), _move(entry.content, shift_ms))


def _move(value: Any, shift_ms: int) -> Any:
    if isinstance(value, dict):
        if value.get("__type") == "Uint8Array":
            inner = _move(base64.b64decode(value["data"]), shift_ms)
            return value | {"data": base64.b64encode(inner).decode()}
        return {key: _move(item, shift_ms) for key, item in value.items()}
    if isinstance(value, list):
        return [_move(item, shift_ms) for item in value]
    if isinstance(value, bytes):
        return _move_text(value.decode("latin-1"), shift_ms).encode("latin-1")
    return _move_text(value, shift_ms) if isinstance(value, str) else value


def _move_text(text: str, shift_ms: int) -> str:
    moved = _ID.sub(lambda match: shift_ulid(match[0], shift_ms), text)
    return _TIME.sub(lambda match: _move_time(match[0], shift_ms), moved)


def _move_time(text: str, shift_ms: int) -> str:
    moment = (parse_iso_ns(text) or 0) // NS_PER_MS + shift_ms
    return datetime.fromtimestamp(moment / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment % 1000:03d}Z"


def _write(path: Path, content: Any) -> None:
    """Like the SDK: whole under another name, then renamed, so that nobody reads a half."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.tmp.{os.getpid()}")
    part.write_bytes(content if isinstance(content, bytes) else json.dumps(content, indent=2).encode())
    part.replace(path)
