"""Which directories may be given through the web.

Whoever may add worlds could otherwise look into any directory of this machine: what cannot be read as a record is
shown raw on the pages. So a directory must look like one that the Workflow SDK wrote, or be named like one and wait
to be written. Where people sign in, which means from other machines, it must be there already. The command line
has no such limits: who has a shell here needs no dashboard to read files.
"""

from __future__ import annotations

import os
from pathlib import Path

from django.conf import settings

from runs.worlds.local import looks_like_world

NAMES = frozenset({".workflow-data", "workflow-data"})
_CLOSED = ("/proc", "/sys", "/dev", "/etc", "/boot")
_SECRET = ".ssh"  # whoever's it is


def why_not(location: str) -> str:
    """Why a directory, by its real path, may not be added by the web; empty where it may."""
    path = Path(os.path.realpath(location))
    data = Path(os.path.realpath(settings.DATA))
    if _SECRET in path.parts or any(path.is_relative_to(one) for one in _CLOSED):
        return "That is a directory of the system, no world."
    if path == data or data in path.parents:
        return "That is Tailrace's own data directory."
    if looks_like_world(str(path)):
        return ""
    if settings.SIGN_IN:
        return (
            "There is nothing there that the Workflow SDK wrote. A directory that is still empty is added at that"
            " machine: tailrace worlds add DIRECTORY."
        )
    if path.name in NAMES and not _has_files(path):
        return ""
    return (
        "There is nothing there that the Workflow SDK wrote. A directory that is still to be written must be called"
        " .workflow-data or workflow-data; any other is added by tailrace worlds add DIRECTORY."
    )


def _has_files(path: Path) -> bool:
    try:
        return any(path.iterdir())
    except OSError:
        return path.exists()
