"""Directories that real SDKs wrote, with what is truly wrong in them (tests/fixtures/recordings)."""

from __future__ import annotations

import json
import os
import tarfile
from decimal import Decimal
from pathlib import Path
from typing import Any

RECORDINGS = Path(__file__).resolve().parent / "fixtures" / "recordings"
SDKS = ("4.2.4", "4.8.9", "5.0.0-beta.5", "5.0.0-beta.55")
PYTHON_SDK = "python-0.12.0"


def unpack(sdk: str, label: str, into: Path) -> Path:
    """Unpacks a recording below `into` and gives the world's directory, each file with its exact time.

    tarfile keeps times as floats, which are good to some 200 ns today; the archives know them exactly.
    """
    with tarfile.open(RECORDINGS / "local" / sdk / label / "data.tar.gz") as archive:
        members = archive.getmembers()
        # Not as an argument: Debian 12's Python 3.11.2 knows no filters yet.
        archive.extraction_filter = getattr(tarfile, "data_filter", None)
        archive.extractall(into)
    set_times(members, into)
    return into / "data"


def set_times(members: list[tarfile.TarInfo], into: Path) -> None:
    """Deepest first: a directory's time would move again with what is set below it."""
    for member in sorted(members, key=lambda member: member.name, reverse=True):
        nanoseconds = modified_ns(member)
        os.utime(into / member.name, ns=(nanoseconds, nanoseconds))


def modified_ns(member: tarfile.TarInfo) -> int:
    exact = member.pax_headers.get("mtime", str(member.mtime))
    return int(Decimal(exact) * 1_000_000_000)


def scenarios(sdk: str | None = None, label: str | None = None) -> list[dict[str, Any]]:
    """What each run of the JavaScript SDKs did: sdk, label, scenario, runIds, status, streams,
    listedStreams (those that the SDK's own list names) and anomalies."""
    known = json.loads((RECORDINGS / "scenarios.json").read_text())
    return [entry for entry in known if sdk in (None, entry["sdk"]) and label in (None, entry["label"])]


def python_scenarios() -> dict[str, dict[str, Any]]:
    """The same for the Python SDK, by scenario: run_id, status, streams and `truth`, in words."""
    known = json.loads((RECORDINGS / "local" / PYTHON_SDK / "scenarios.json").read_text())
    return dict(known["scenarios"])
