"""Which processes of an app report, and what failed in them. The only writer of AppProcess and AppError."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from dashboard.lib.database import clean
from runs.models import AppError, AppProcess, InboxItem, Run, World
from runs.observations import AppFailed
from runs.reports import mapping_in, ms_in, ns_of, whole_in

TEXT = 2000
GAPS_KEPT = 20
MOST = (1 << 53) - 1  # of a count
_ABOUT = ("probe", "language", "runtime", "sdk", "pid", "host", "world", "location", "env")


def note_batch(world: World, item: InboxItem, batch: Mapping[str, Any]) -> AppProcess:
    """What the envelope of a batch says of its process. Batches may come in any order."""
    row, _ = AppProcess.objects.get_or_create(
        world=world,
        process=item.process,
        defaults={"first_seen_ns": item.received_ns, "last_seen_ns": item.received_ns},
    )
    is_latest = item.number > row.last_number
    row.last_seen_ns = max(row.last_seen_ns, item.received_ns)
    row.first_seen_ns = min(row.first_seen_ns, item.received_ns)
    row.batches, row.records = row.batches + 1, row.records + len(batch["records"])
    row.has_ended = row.has_ended or batch.get("ending") is True
    if is_latest:
        row.last_number = item.number
        _note_app(row, batch.get("app"))
        _note_drops(row, batch.get("dropped"))
    _note_clock(row, item, batch)
    row.save()
    return row


def _note_app(row: AppProcess, app: Any) -> None:
    if not isinstance(app, Mapping):
        return
    row.about = {key: clean(app[key], 300) for key in _ABOUT if isinstance(app.get(key), str | int)}
    row.sdk_version = clean(row.about.get("sdk", ""), 100)
    row.language = clean(row.about.get("language", ""), 20)
    row.is_exact = app["exact"] if isinstance(app.get("exact"), bool) else None


def _note_drops(row: AppProcess, dropped: Any) -> None:
    if not isinstance(dropped, Mapping):
        return
    row.dropped_batches = max(row.dropped_batches, whole_in(dropped, "batches", MOST) or 0)
    row.dropped_records = max(row.dropped_records, whole_in(dropped, "records", MOST) or 0)
    spans = dropped.get("spans")
    gaps = [_gap(span) for span in spans if isinstance(span, Mapping)] if isinstance(spans, list) else []
    row.gaps = [gap for gap in gaps if gap is not None][-GAPS_KEPT:] or row.gaps


def _gap(span: Mapping[str, Any]) -> dict[str, int] | None:
    first, last = ms_in(span, "from"), ms_in(span, "to")
    if first is None or last is None:
        return None
    times = {"from": ns_of(first), "to": ns_of(last)}
    return times | {"records": whole_in(span, "records", MOST) or 0}


def _note_clock(row: AppProcess, item: InboxItem, batch: Mapping[str, Any]) -> None:
    """The process's own estimate from earlier answers; before that, at most the way here is wrong with ours."""
    clock, sent = mapping_in(batch, "clock"), ms_in(batch, "sent")
    offset, rtt = ms_in(clock, "offset"), ms_in(clock, "rtt")
    if offset is not None and rtt is not None and rtt >= 0:
        error_ns = ns_of(rtt / 2)
        if row.clock_error_ns is None or error_ns <= row.clock_error_ns or item.number >= row.last_number:
            row.clock_offset_ns, row.clock_error_ns = ns_of(offset), error_ns
    elif row.clock_error_ns is None and sent is not None:
        one_way = item.received_ns - ns_of(sent)
        known = row.clock_offset_ns
        row.clock_offset_ns = one_way if known is None else min(known, one_way)


def record_failures(
    world: World, item: InboxItem, failures: Iterable[AppFailed], runs: Mapping[str, Run]
) -> bool:
    """Store errors that surfaced in the app; returns whether there were any."""
    rows = [
        AppError(
            world=world,
            run=runs.get(clean(one.run_id, 255)),
            process=item.process,
            number=item.number,
            place=one.place,
            kind=clean(one.kind, 40),
            at_ns=one.at_ns,
            name=clean(one.name, 100),
            message=clean(one.message, TEXT),
            step_id=clean(one.step_id, 255),
            write_number=one.write_number,
        )
        for one in failures
    ]
    AppError.objects.bulk_create(rows, ignore_conflicts=True)
    return bool(rows)
