"""Which world to watch: found, named, and stored once per location."""

from __future__ import annotations

import os
import re
from pathlib import Path

from django.conf import settings
from django.db import IntegrityError
from django.utils.text import slugify

from dashboard.lib.clock import now_ns
from dashboard.lib.database import clean, write_transaction
from runs.models import World
from runs.secrets import keep_secret
from runs.worlds.base import place_of
from runs.worlds.probe import ProbeWorld

LOOKED_AT = ("./.workflow-data", "./.next/workflow-data")
MAX_PROBE_WORLDS = 100  # a process that makes up names must not fill the list of worlds


class TooManyWorlds(Exception):
    """No more worlds of kind `probe` are made; the message says so to the sender."""


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


def ensure_world(given: str) -> World:
    """The row of the world that is meant, by its place; its secret is kept where one was given.

    Raises WorldError where nothing here reads such a world, SealError where its secret cannot be kept.
    """
    kind, place = place_of(given)
    location = clean(place.location, 4000)
    world = World.objects.filter(kind=kind, location=location).first() or World.objects.create(
        kind=kind,
        location=location,
        name=clean(place.name, 200),
        slug=_free_slug(place.name),
        created_ns=now_ns(),
    )
    if place.secret:
        keep_secret(world, place.secret)
    return world


def served_world() -> World | None:
    """The world meant where none is named: the one being served, else the only one there is."""
    served = World.objects.filter(pk=settings.SERVED_WORLD).first() if settings.SERVED_WORLD else None
    if served is not None:
        return served
    worlds = list(World.objects.order_by("pk")[:2])
    return worlds[0] if len(worlds) == 1 else None


def ensure_probe_world(name: str) -> World:
    """The row of a world whose app pushes: its name is its identity. Raises TooManyWorlds."""
    location = clean(name.strip(), 200)
    known = World.objects.filter(kind=ProbeWorld.kind, location=location)
    try:
        with write_transaction():
            return known.first() or _new_probe_world(location)
    except IntegrityError:  # another process was first
        return known.get()


def find_or_make_world(name: str) -> World:
    """The known world of that slug, else of that name, else a new one of kind `probe`. Raises TooManyWorlds."""
    known = World.objects.filter(slug=name).first() or World.objects.filter(name=name).order_by("pk").first()
    return known or ensure_probe_world(name)


def _new_probe_world(name: str) -> World:
    if World.objects.filter(kind=ProbeWorld.kind).count() >= MAX_PROBE_WORLDS:
        raise TooManyWorlds(f"There are {MAX_PROBE_WORLDS} worlds of probes already: name one of those.")
    return World.objects.create(
        kind=ProbeWorld.kind, location=name, name=name, slug=_free_slug(name), created_ns=now_ns()
    )


def _free_slug(name: str) -> str:
    base = slugify(re.sub(r"[._]+", "-", name))[:60] or "local"
    slug, number = base, 1
    while World.objects.filter(slug=slug).exists():
        number += 1
        slug = f"{base}-{number}"
    return slug
