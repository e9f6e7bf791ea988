"""A writer in a process of its own: chunks into the directory of a stream at a rate, as the SDK's own writer does.

    python -m bench.parts.stream_writer FOLDER RATE SECONDS

Prints one line of JSON when it has ended: the number of each chunk and when it was there, seconds since 1970.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from bench.live import write_at

if __name__ == "__main__":
    print(json.dumps(list(write_at(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])).items())))
