"""`manage.py` with one difference: each frame that is read from the database for watchers of a stream is noted in the
file that BENCH_READS names, as `after to`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))


def count_reads(path: str) -> None:
    from streams import tails

    read = tails.read_frame
    noted = open(path, "a", buffering=1)  # noqa: SIM115 - for as long as the server runs

    def counted(*args: Any) -> Any:
        frame = read(*args)
        noted.write(f"{frame.after} {frame.to}\n")
        return frame

    tails.read_frame = counted  # type: ignore[assignment]


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")
    import django

    import dashboard.__main__ as program

    if "--data" in sys.argv:  # read by the settings, so before they are
        os.environ["TAILRACE_DATA"] = sys.argv[sys.argv.index("--data") + 1]
    django.setup()
    count_reads(os.environ["BENCH_READS"])
    sys.exit(program.main())
