"""Make dashboard/demo/recording.json from a local world's directory: its files, in the order of their times.

    python scripts/make_demo_recording.py DATA_DIR > dashboard/demo/recording.json

A run or step is rewritten as it goes on and a directory keeps only the last version, so the version before the
end is made from it: the same record, running, without result.
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dashboard.lib.clock import parse_iso_ns

RESULT = ("output", "error", "completedAt")
ENTITIES = {"runs": "startedAt", "steps": "startedAt"}


def entries(root: Path) -> Iterator[dict[str, Any]]:
    for path in sorted(p for p in root.rglob("*") if p.is_file() and ".locks" not in p.parts):
        name, at = path.relative_to(root).as_posix(), path.stat().st_mtime_ns
        if path.suffix == ".json":
            record = json.loads(path.read_text())
            started = parse_iso_ns(record.get(ENTITIES.get(name.split("/")[0], "")))
            if started is not None:
                running = {key: value for key, value in record.items() if key not in RESULT}
                yield {"at": started, "path": name, "json": running | {"status": "running"}}
            yield {"at": at, "path": name, "json": record}
        else:
            yield {"at": at, "path": name, "base64": base64.b64encode(path.read_bytes()).decode()}


def main(root: Path) -> None:
    found = sorted(entries(root), key=lambda entry: (entry["at"], entry["path"]))
    print(json.dumps(found, indent=0, ensure_ascii=False))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
