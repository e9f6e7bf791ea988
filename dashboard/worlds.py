"""Which world to watch: found, named, and stored once per location."""

from __future__ import annotations

import os
import re
from pathlib import Path

from django.utils.text import slugify

from dashboard.lib.clock import now_ns
from dashboard.lib.database import clean
from runs.models import World

LOOKED_AT = ("./.workflow-data", "./.next/workflow-data")


def find_location(given: str | None) -> tuple[str, str]:
    """The directory to watch and a sentence about how it was found."""
    if given:
        return given, ""
    named = os.environ.get("WORKFLOW_LOCAL_DATA_DIR")
    if named:
        return named, f"watching {named} (from WORKFLOW_LOCAL_DATA_DIR)"
    for place in LOOKED_AT:
        if Path(place).is_dir():
            return place, f"found {place}"
    return LOOKED_AT[0], f"found neither {' nor '.join(LOOKED_AT)}; waiting for {LOOKED_AT[0]} to appear"


def ensure_local_world(location: str) -> World:
    """The row of a local world: its real path is its identity."""
    path = os.path.realpath(os.path.expanduser(location))
    known = World.objects.filter(kind="local", location=clean(path, 4000)).first()
    if known is not None:
        return known
    name = _name_of(Path(path))
    return World.objects.create(
        kind="local",
        location=clean(path, 4000),
        name=clean(name, 200),
        slug=_free_slug(name),
        created_ns=now_ns(),
    )


def _name_of(path: Path) -> str:
    """`shop/.workflow-data` is the world of shop; any other directory goes by its own name."""
    generic = {".workflow-data", "workflow-data", ".next", "data"}
    for part in (path, *path.parents):
        if part.name and part.name not in generic:
            return part.name
    return "local"


def _free_slug(name: str) -> str:
    base = slugify(re.sub(r"[._]+", "-", name))[:60] or "local"
    slug, number = base, 1
    while World.objects.filter(slug=slug).exists():
        number += 1
        slug = f"{base}-{number}"
    return slug
