"""What pages read of findings, as pieces for the slots of `dashboard.lib.panels`. One query a slot and page."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

from django.db.models import Exists, F, OuterRef, Q, QuerySet

from dashboard.anomalies.detectors.base import DETECTORS, SEVERITIES
from dashboard.anomalies.models import Checkpoint, Finding
from dashboard.anomalies.pieces import badge_of, fix_of, severity_of, worst_first
from dashboard.anomalies.run_queries import runs_not_judged
from dashboard.lib.panels import Piece
from streams.models import Stream

LATEST = 10  # findings of a world shown as the latest


def run_badges(ids: list[int]) -> dict[int, list[Piece]]:
    """Findings of runs and their streams; what is not judged as it is now is left out while none is found."""
    pending = set(
        Stream.objects.filter(run__in=ids, pruned_ns=None)
        .exclude(checkpoint__changes=F("changes"))
        .values_list("run_id", flat=True)
    )
    pending |= runs_not_judged(ids)
    pieces: dict[int, list[Piece]] = {pk: [] for pk in ids if pk not in pending}
    for finding in worst_first(_findings().filter(run__in=ids)):
        pieces.setdefault(finding.run_id or 0, []).append(badge_of(finding))
    return pieces


def stream_badges(ids: list[int]) -> dict[int, list[Piece]]:
    """Findings of streams; a stream not yet judged as it is now is left out while none is found."""
    judged = Checkpoint.objects.filter(stream__in=ids, changes=F("stream__changes"))
    pieces: dict[int, list[Piece]] = {pk: [] for pk in judged.values_list("stream_id", flat=True)}
    for finding in worst_first(_findings().filter(stream__in=ids)):
        pieces.setdefault(finding.stream_id or 0, []).append(badge_of(finding))
    return pieces


def stream_verdict(ids: list[int]) -> dict[int, list[Piece]]:
    """The findings of streams as answers, and what could not be checked with the reason."""
    pieces: dict[int, list[Piece]] = defaultdict(list)
    for finding in worst_first(_findings().filter(stream__in=ids)):
        pieces[finding.stream_id or 0].append(replace(badge_of(finding), detail=fix_of(finding)))
    for stream_id, unchecked in Checkpoint.objects.filter(stream__in=ids).values_list(
        "stream_id", "unchecked"
    ):
        pieces[stream_id] += [
            Piece("not checked", kind=one["kind"], title=one["reason"]) for one in unchecked
        ]
    return pieces


def world_findings(ids: list[int]) -> dict[int, list[Piece]]:
    """What was found last in each world, the newest first; only what is worth a person's look."""
    pieces: dict[int, list[Piece]] = {}
    for world_id in ids:
        found = _findings().filter(anomaly__world=world_id, severity__in=SEVERITIES[1:])
        pieces[world_id] = [
            replace(badge_of(one), at=one.found_ns, detail=fix_of(one))
            for one in found.order_by("-found_ns", "-pk")[:LATEST]
        ]
    return pieces


def kinds() -> list[str]:
    return sorted(DETECTORS.found)


def with_kind(kind: str) -> Q:
    """Streams with a finding of a kind: one look at a unique index for each stream that a list walks over."""
    return Q(Exists(Finding.objects.filter(stream=OuterRef("pk"), kind=kind)))


def chunk_notes(ids: list[int]) -> dict[int, list[Piece]]:
    """What a finding says of single chunks: a violation of the message protocol, at its arrival."""
    pieces: dict[int, list[Piece]] = defaultdict(list)
    for finding in _findings().filter(stream__in=ids, kind="protocol_violation"):
        for at, text in _violations(finding):
            note = Piece(text, finding.kind, severity_of(finding), finding.certainty, finding.message, at=at)
            pieces[finding.stream_id or 0].append(note)
    return pieces


def _violations(finding: Finding) -> Iterable[tuple[int, str]]:
    """Arrivals and what is wrong at each, in words."""
    noted = finding.evidence.get("noted", {})
    return ((int(arrival), code.replace("-", " ")) for arrival, code in noted.items())


def _findings() -> QuerySet[Finding]:
    return Finding.objects.select_related("stream", "stream__world", "run", "run__world")
