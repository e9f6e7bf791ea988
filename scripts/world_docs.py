"""Write the table of kinds into docs/worlds.md, from the classes: `python scripts/world_docs.py`."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from dashboard.worlds.kinds import with_table

PAGE = Path(__file__).resolve().parent.parent / "docs" / "worlds.md"


def main() -> None:
    PAGE.write_text(with_table(PAGE.read_text()))


if __name__ == "__main__":
    main()
