"""Write docs/anomalies.md from the detectors: `python scripts/anomaly_docs.py`."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from dashboard.anomalies.documentation import as_markdown

PAGE = Path(__file__).resolve().parent.parent / "docs" / "anomalies.md"


def main() -> None:
    PAGE.write_text(as_markdown())


if __name__ == "__main__":
    main()
