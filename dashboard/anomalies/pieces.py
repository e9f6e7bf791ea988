"""A finding as a piece of a page: its badge, where it leads, what to do about it."""

from __future__ import annotations

from collections.abc import Iterable

from django.urls import reverse

from dashboard.anomalies.detectors.base import DETECTORS, SEVERITIES, Severity
from dashboard.anomalies.models import Finding
from dashboard.anomalies.run_detectors.base import RUN_DETECTORS
from dashboard.lib.panels import Piece


def badge_of(finding: Finding) -> Piece:
    """Its stream, or its run and its world, should come with it."""
    return Piece(
        finding.kind, finding.kind, severity_of(finding), finding.certainty, finding.message, _url_of(finding),
        group=f"{reverse('anomaly', args=[finding.anomaly_id])}?finding={finding.pk}",
    )  # fmt: skip


def fix_of(finding: Finding) -> str:
    detector = DETECTORS.found.get(finding.kind) or RUN_DETECTORS.found.get(finding.kind)
    return detector.fix if detector is not None else ""


def severity_of(finding: Finding) -> Severity:
    return next((one for one in SEVERITIES if one == finding.severity), "error")


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    return sorted(findings, key=lambda one: (-SEVERITIES.index(severity_of(one)), one.kind, one.pk))


def _url_of(finding: Finding) -> str:
    """The first chunk that shows it; of a run's finding the list of them on its page."""
    stream, run = finding.stream, finding.run
    if stream is None:
        return f"{reverse('run', args=[run.world.slug, run.run_id])}#findings" if run is not None else ""
    url = reverse("stream", args=[stream.world.slug, stream.name])
    return f"{url}#chunk-{finding.chunks[0]['arrival']}" if finding.chunks else url
