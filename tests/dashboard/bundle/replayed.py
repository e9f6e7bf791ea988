"""Recorded runs as this dashboard sees them when their probe's journal was reported too, and bundles of them."""

from __future__ import annotations

import io
import json
import threading
import zipfile
from pathlib import Path
from typing import Any

from dashboard.anomalies.detect import judge_world
from dashboard.anomalies.models import Finding
from dashboard.bundle.make import make_bundle
from dashboard.lib.clock import now_ns
from runs.models import World
from streams import ingest
from streams.inbox import apply
from streams.models import Stream
from tests.probe_recordings import look_again, push
from tests.recordings import unpack

STOP = threading.Event()
Said = dict[str, tuple[str, str, str, list[Any], list[Any]]]


def replayed(sdk: str, label: str, into: Path, slug: str = "app") -> World:
    location = str(unpack(sdk, label, into).resolve())
    world = World.objects.create(kind="local", location=location, name=slug, slug=slug, created_ns=now_ns())
    push(world, sdk, label)
    apply(world.pk, STOP)
    ingest.hint(world.pk, None)
    ingest.pull(world.pk, STOP)
    look_again(world)
    judge_world(world.pk, STOP)
    return World.objects.get(pk=world.pk)


def streams_of(world: World) -> list[Stream]:
    return list(Stream.objects.filter(world=world).select_related("run", "world").order_by("name"))


def bundle(stream: Stream, path: Path, *, payloads: bool = False) -> Path:
    with path.open("wb") as file:
        make_bundle(stream, file, payloads=payloads)
    return path


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def records(data: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in data.splitlines()]


def said(stream: Stream) -> Said:
    """What is found in a stream: how sure, how bad, what is missing, and which chunks show it."""
    return {
        one.kind: (one.certainty, one.severity, one.step_id, one.missing, one.chunks)
        for one in Finding.objects.filter(stream=stream)
    }


def rezipped(path: Path, into: Path, **changed: Any) -> Path:
    """The same bundle with other members (None: without it); their hashes in the manifest stay as they are."""
    kept = members(path) | {name.replace("__", "."): data for name, data in changed.items()}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in kept.items():
            if data is not None:
                archive.writestr(name, data)
    into.write_bytes(buffer.getvalue())
    return into
