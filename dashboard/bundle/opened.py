"""A bundle as a world of this dashboard, complete before anybody looks at it.

What the world knew comes in by its adapter like any world, what probes reported by `streams.writes`; then the stream is
judged anew. A bundle shows one moment: what could not be told then cannot be told now, however much time has passed.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from django.utils.text import slugify

from dashboard.anomalies import life
from dashboard.anomalies.detect import judge_world
from dashboard.anomalies.models import Checkpoint, Finding
from dashboard.anomalies.scan import printable
from dashboard.lib.clock import now_ns
from dashboard.lib.database import clean, write_transaction
from runs.managed import CURRENT
from runs.models import AppProcess, Unreadable, World
from runs.observations import Unreadable as UnreadableSeen
from runs.observations import WriteTried
from runs.record import ensure_runs
from runs.worlds.base import WorldError
from runs.worlds.bundle import BundleWorld, real_path
from streams import ingest
from streams.arrivals import lock_world
from streams.models import Stream
from streams.writes import record_writes

AT_ONCE = 1000
GAPS_KEPT = 20
NO_LATER = "not told when it was bundled, and a bundle knows of nothing later"
_BIG = (1 << 63) - 1
_COUNTS = ("last_number", "batches", "records", "dropped_batches", "dropped_records")
_TIMES = ("first_seen_ns", "last_seen_ns")


def open_bundle(location: str) -> World:
    """The world of a bundle, read and judged. Raises WorldError if it is none that can be read."""
    path = real_path(location)
    adapter = BundleWorld(path)
    manifest = adapter.manifest()
    world = _ensure_world(path, manifest)
    stop = threading.Event()
    ingest.hint(world.pk, None)
    ingest.pull(world.pk, stop)
    world.refresh_from_db()
    if world.trouble:
        raise WorldError(world.trouble, permanent=True)
    _record_processes(world, adapter)
    _record_writes(world, adapter)
    world.looked_ns = _time(_about_world(manifest), "looked_ns")
    world.save(update_fields=["looked_ns"])
    judge_world(world.pk, stop)
    _keep_open_questions(world, adapter)
    return world


def about(manifest: Mapping[str, Any]) -> str:
    """What it is, for the one who opened it."""
    left_out = "without payloads" if manifest.get("redacted") is not False else "with payloads"
    made, by = str(manifest.get("made", ""))[:40], str(manifest.get("tailrace", ""))[:40]
    of = str(manifest.get("stream", ""))[:255]
    return printable(f"a bundle of stream {of}, made on {made} by Tailrace {by}, {left_out}")


def _ensure_world(path: str, manifest: Mapping[str, Any]) -> World:
    location = clean(path, 4000)
    known = World.objects.filter(CURRENT, kind=BundleWorld.kind, location=location).first()
    if known is not None:
        return known
    of = clean(str(_about_world(manifest).get("name") or "a world"), 150)
    name = f"{of} (bundle, read-only)"
    return World.objects.create(
        kind=BundleWorld.kind, location=location, name=name, slug=_free_slug(of), created_ns=now_ns()
    )


def _free_slug(name: str) -> str:
    base, number = f"bundle-{slugify(name)[:50]}".rstrip("-"), 1
    slug = base
    while World.objects.filter(slug=slug).exists():
        number += 1
        slug = f"{base}-{number}"
    return slug


def _about_world(manifest: Mapping[str, Any]) -> Mapping[str, Any]:
    found = manifest.get("world")
    return found if isinstance(found, dict) else {}


def _record_processes(world: World, adapter: BundleWorld) -> None:
    with write_transaction():
        for one in adapter.processes():
            name = clean(str(one.get("process") or ""), 100)
            if name:
                AppProcess.objects.update_or_create(world=world, process=name, defaults=_process(one))


def _process(one: Mapping[str, Any]) -> dict[str, Any]:
    said = one.get("about")
    told = {
        clean(str(key), 40): clean(value, 300) if isinstance(value, str) else value
        for key, value in islice((said if isinstance(said, dict) else {}).items(), 20)
        if isinstance(value, str | bool) or _is_time(value)
    }
    gaps = one.get("gaps")
    return {
        "about": told,
        "sdk_version": clean(str(told.get("sdk", "")), 100),
        "language": clean(str(told.get("language", "")), 20),
        "is_exact": one.get("is_exact") if isinstance(one.get("is_exact"), bool) else None,
        "has_ended": one.get("has_ended") is True,
        "gaps": [gap for one in (gaps if isinstance(gaps, list) else []) if (gap := _gap(one))][:GAPS_KEPT],
        "clock_offset_ns": _time(one, "clock_offset_ns"),
        "clock_error_ns": _time(one, "clock_error_ns"),
        **{key: max(0, _time(one, key) or 0) for key in (*_COUNTS, *_TIMES)},
    }


def _gap(one: Any) -> dict[str, int]:
    keys = ("from", "to", "records")
    return (
        {key: one[key] for key in keys}
        if isinstance(one, dict) and all(_is_time(one.get(k)) for k in keys)
        else {}
    )


def _is_time(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _BIG


def _time(fields: Mapping[str, Any], key: str) -> int | None:
    return fields[key] if _is_time(fields.get(key)) else None


def _record_writes(world: World, adapter: BundleWorld) -> None:
    troubles: list[UnreadableSeen] = []
    writes = adapter.writes(troubles.append)
    for some in _batches(writes):
        with write_transaction():
            lock_world(world.pk)
            record_writes(world, some, ensure_runs(world, {one.run_id for one in some}))
    rows = [
        Unreadable(
            world=world, where=clean(one.where, 500), reason=one.reason, head=one.head, since_ns=now_ns()
        )
        for one in troubles
    ]
    Unreadable.objects.bulk_create(rows, ignore_conflicts=True, batch_size=AT_ONCE)


def _batches(writes: Iterator[WriteTried]) -> Iterator[list[WriteTried]]:
    while some := list(islice(writes, AT_ONCE)):
        yield some


def _keep_open_questions(world: World, adapter: BundleWorld) -> None:
    """What was a question when it was bundled stays one.

    A run that had just ended, a write that was still looked for: the answer came after the bundle, and what is missing
    in here may have been there. And a detector may ask for evidence that only the bundled world had, or had not.
    """
    try:
        bundled = adapter.verdict()
    except WorldError:
        return
    found = {str(one.get("kind")) for one in _records(bundled, "findings")}
    asked = {str(one.get("kind")): str(one.get("reason", "")) for one in _records(bundled, "unchecked")}
    open_kinds = {kind: reason for kind, reason in asked.items() if kind not in found}
    for stream in Stream.objects.filter(world=world):
        with write_transaction():
            gone = Finding.objects.filter(stream=stream, kind__in=open_kinds)
            anomalies = list(gone.values_list("anomaly", flat=True))
            gone.delete()
            life.forgotten(anomalies)
            _leave_unchecked(stream, open_kinds)


def _leave_unchecked(stream: Stream, kinds: Mapping[str, str]) -> None:
    row = Checkpoint.objects.filter(stream=stream).first()
    if row is None:
        return
    known = {one["kind"] for one in row.unchecked}
    row.unchecked += [
        {"kind": clean(kind, 60), "reason": clean(f"{reason or kind} ({NO_LATER})", 500)}
        for kind, reason in kinds.items()
        if kind not in known
    ]
    row.due_ns = None
    row.save(update_fields=["unchecked", "due_ns"])


def _records(verdict: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    found = verdict.get(key)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
