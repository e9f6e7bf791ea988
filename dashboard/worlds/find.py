"""Where worlds are looked for when `serve` begins: as they are named, else where the Workflow SDK writes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from dashboard.lib import env
from runs.managed import KNOWN
from runs.models import World

LOOKED_AT = ("./.workflow-data", "./.next/workflow-data")


def find_locations(given: Sequence[str]) -> tuple[list[str], str]:
    """The worlds to watch and a sentence about how they were found: as named, else where worlds usually are.

    Where neither finds one and others are known already, those are enough.
    """
    if given:
        return list(given), ""
    named = env.words("TAILRACE_WORLDS")
    if named:
        return named, f"watching {len(named)} world{'s' * (len(named) > 1)} (from TAILRACE_WORLDS)"
    location, found = find_location()
    if not os.path.isdir(location) and World.objects.filter(KNOWN).exists():
        return [], ""
    return [location], found


def find_location() -> tuple[str, str]:
    """The directory to watch where none is named, and a sentence about how it was found."""
    named = os.environ.get("WORKFLOW_LOCAL_DATA_DIR")
    if named:
        return named, f"watching {named} (from WORKFLOW_LOCAL_DATA_DIR)"
    for place in LOOKED_AT:
        if Path(place).is_dir():
            return place, f"found {place}"
    return LOOKED_AT[0], f"found neither {' nor '.join(LOOKED_AT)}; waiting for {LOOKED_AT[0]} to appear"
