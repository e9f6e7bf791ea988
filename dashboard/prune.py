"""`--keep`: forget what is older than an age or beyond a size, anomalous streams last.

A world's own files are never touched. The rows of pruned runs and streams stay as thin stubs, so that the next
look at the world does not read them again.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.db.models import Exists, OuterRef, Q, QuerySet, Sum
from django.db.models.functions import Coalesce

from dashboard.anomalies import detect, life
from dashboard.anomalies.models import Finding
from dashboard.lib import env
from dashboard.lib.clock import NS_PER_S, now_ns
from dashboard.lib.database import write_transaction
from runs.models import Run
from runs.worlds.base import TERMINAL
from streams import verdicts
from streams.models import Stream

EVERY_NS = 600 * NS_PER_S
STREAMS_AT_ONCE = 50
_guard = threading.Lock()
_next_ns = 0


@dataclass(frozen=True, slots=True)
class Keep:
    seconds: int | None = None
    bytes: int | None = None


def parse_keep(text: str) -> Keep:
    """`30d`, `2GB` or both, `30d,2GB`; empty keeps everything. Raises ImproperlyConfigured."""
    seconds, size = None, None
    for word in filter(None, (part.strip() for part in text.split(","))):
        if (age := env.duration(word)) is not None:
            seconds = age
        elif (limit := env.size(word)) is not None:
            size = limit
        else:
            raise ImproperlyConfigured(
                f"--keep {word!r} is neither an age (30d, 12h) nor a size (2GB, 500MB)"
            )
    return Keep(seconds, size)


def prune_if_due() -> None:
    """Called by every sweep; works every ten minutes at most, and only one thread at a time."""
    global _next_ns
    keep = parse_keep(settings.KEEP)
    if keep == Keep() or now_ns() < _next_ns or not _guard.acquire(blocking=False):
        return
    try:
        _next_ns = now_ns() + EVERY_NS
        prune(keep)
    finally:
        _guard.release()


def prune(keep: Keep) -> int:
    """Forget what `keep` does not cover; returns the number of streams whose chunks were dropped."""
    dropped = _prune_age(keep.seconds) if keep.seconds is not None else 0
    dropped += _prune_size(keep.bytes) if keep.bytes is not None else 0
    if dropped:
        detect.forget()
    return dropped


def _ended() -> Q:
    """Only what has ended: a running stream is never cut."""
    return Q(run=None) | Q(run__status__in=TERMINAL)


def _prunable(before_ns: int | None = None) -> QuerySet[Stream]:
    """Oldest first, streams with findings last; all of them, or those last written before then."""
    found = Exists(Finding.objects.filter(stream=OuterRef("pk")))
    last = Coalesce("last_stored_ns", "seen_ns")  # nothing is stored of a stream known from a probe alone
    rows = Stream.objects.filter(_ended(), pruned_ns=None)
    if before_ns is not None:
        rows = rows.filter(Q(last_stored_ns__lt=before_ns) | Q(last_stored_ns=None, seen_ns__lt=before_ns))
    return rows.annotate(anomalous=found).order_by("anomalous", last, "pk")


def _prune_age(seconds: int) -> int:
    oldest = now_ns() - seconds * NS_PER_S
    dropped = 0
    while pks := list(_prunable(oldest).values_list("pk", flat=True)[:STREAMS_AT_ONCE]):
        _drop_streams(pks)
        dropped += len(pks)
    _drop_runs(oldest)
    return dropped


def _prune_size(limit: int) -> int:
    """Until the payloads kept fit the limit; the database's own overhead comes on top."""
    dropped = 0
    while (total := _bytes_kept()) > limit:
        pks, freed = [], 0
        for pk, size in _prunable().filter(head__gt=0).values_list("pk", "bytes")[:STREAMS_AT_ONCE]:
            if total - freed <= limit:
                break
            pks.append(pk)
            freed += size
        if not pks:
            break
        _drop_streams(pks)
        dropped += len(pks)
    return dropped


def _bytes_kept() -> int:
    return Stream.objects.filter(pruned_ns=None).aggregate(total=Sum("bytes"))["total"] or 0


def _drop_streams(pks: list[int]) -> None:
    with write_transaction():
        with connection.cursor() as cursor:
            for table in ("streams_chunk", "streams_note", "streams_write", "streams_writer"):
                cursor.executemany(f"DELETE FROM {table} WHERE stream_id = %s", [(pk,) for pk in pks])
        findings = Finding.objects.filter(stream__in=pks)
        anomalies = set(findings.values_list("anomaly", flat=True))
        findings.delete()
        life.forgotten(anomalies)
        Stream.objects.filter(pk__in=pks).update(pruned_ns=now_ns())
        verdicts.forget_findings(Stream.objects.filter(pk__in=pks))


def _drop_runs(oldest_ns: int) -> None:
    """Runs that ended before `oldest_ns` and have no stream left lose their history and values."""
    kept = Exists(Stream.objects.filter(run=OuterRef("pk"), pruned_ns=None))
    old = Run.objects.filter(~kept, status__in=TERMINAL, completed_ns__lt=oldest_ns, pruned_ns=None)
    while pks := list(old.values_list("pk", flat=True)[:500]):
        with write_transaction():
            for run in Run.objects.filter(pk__in=pks).only("pk"):
                run.events.all().delete()
                run.steps.all().delete()
                run.waits.all().delete()
                run.app_errors.all().delete()
            Run.objects.filter(pk__in=pks).update(pruned_ns=now_ns(), input=None, output=None, error=None)
