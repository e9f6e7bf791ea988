"""What a URL names, or a page that says what is missing and what may have happened to it."""

from __future__ import annotations

from django.http import Http404

from dashboard.lib.database import clean
from runs import queries
from runs.models import Run, World

NAME_CHARS = 255  # longer ids are not stored


def find_world(slug: str) -> World:
    world = queries.world_named(slug)
    if world is None:
        raise Http404(
            "There is no such world here. It may have another name, or its data directory was removed."
        )
    return world


def find_run(slug: str, run_id: str) -> tuple[World, Run]:
    world = find_world(slug)
    run = queries.run_named(world.pk, clean(run_id, NAME_CHARS))
    if run is None:
        raise Http404(
            "This world has no run with that id. It may not have been read yet, or it is older than"
            " what is kept."
        )
    return world, run
