"""Kinds of runs against recordings of local worlds: `python -m tests.accuracy.local DIR`.

`DIR` holds `scenarios.json` and `<sdk>/<label>/data.tar.gz`; a `data.tar.gz` of its own (the Python SDK's, with a
`scenarios.json` by name) is read too. Exits with 1 where something is missed or wrongly found.
"""

from __future__ import annotations

import json
import os
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dashboard.anomalies.scan import open_world, scan
from tests.accuracy.runs import Tally, lines_of, tally, truths
from tests.recordings import modified_ns


def recordings(folder: Path) -> Iterator[tuple[str, Path, list[dict[str, Any]]]]:
    """Name, archive and scenarios of each."""
    known = json.loads((folder / "scenarios.json").read_text())
    if (folder / "data.tar.gz").exists():
        named = [{"runIds": [one["run_id"]], **one} for one in known["scenarios"].values()]
        yield folder.name, folder / "data.tar.gz", [one | {"truth": {}} for one in named]
        return
    entries = known["scenarios"] if isinstance(known, dict) else known
    for archive in sorted(folder.glob("*/*/data.tar.gz")):
        sdk, label = archive.parent.parent.name, archive.parent.name
        own = [one for one in entries if (one["sdk"], one["label"]) == (sdk, label)]
        if own:
            yield f"{sdk}/{label}", archive, own


def judged(archive: Path, entries: list[dict[str, Any]]) -> dict[str, Tally]:
    with tempfile.TemporaryDirectory() as place, tarfile.open(archive) as opened:
        _restore(opened, Path(place))
        return tally(scan(open_world(f"{place}/data")).findings, truths(entries))


def _restore(archive: tarfile.TarFile, into: Path) -> None:
    """With the exact time of each file, as `tests.recordings.unpack` does."""
    members = archive.getmembers()
    archive.extraction_filter = getattr(tarfile, "data_filter", None)
    archive.extractall(into)
    for member in sorted(members, key=lambda member: member.name, reverse=True):
        os.utime(into / member.name, ns=(modified_ns(member), modified_ns(member)))


def main(folder: str) -> int:
    table = {name: judged(archive, entries) for name, archive, entries in recordings(Path(folder))}
    sys.stdout.writelines(f"{line}\n" for line in lines_of(table))
    bad = [
        f"{name} {kind}: missed {row.missed}, false {row.false}"
        for name, rows in table.items()
        for kind, row in rows.items()
        if row.missed or row.false
    ]
    sys.stdout.writelines(f"{line}\n" for line in bad)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
