"""What was found when a bundle was made, beside what follows from it here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dashboard.anomalies.models import Finding
from dashboard.bundle.opened import about
from runs.worlds.bundle import BundleWorld
from streams.models import Stream

SHOWN = 50
_TEXT = 2000


@dataclass(frozen=True, slots=True)
class BundledFinding:
    kind: str
    severity: str
    certainty: str
    message: str
    is_found_here: bool  # the same kind, as sure, follows from what is in the bundle


@dataclass(frozen=True, slots=True)
class Bundled:
    about: str
    is_redacted: bool
    findings: list[BundledFinding]
    unchecked: list[tuple[str, str]]
    only_here: list[str]  # kinds that follow from the bundle now and were not found then


def bundled_of(stream: Stream) -> Bundled:
    """Raises WorldError where the bundle is gone or its verdict is damaged."""
    adapter = BundleWorld(stream.world.location)
    manifest, verdict = adapter.manifest(), adapter.verdict()
    here = dict(Finding.objects.filter(stream=stream).values_list("kind", "certainty"))
    findings = [_finding(one, here) for one in _records(verdict, "findings")]
    unchecked = [(_text(one, "kind"), _text(one, "reason")) for one in _records(verdict, "unchecked")]
    known = {one.kind for one in findings}
    redacted = manifest.get("redacted") is not False
    return Bundled(about(manifest), redacted, findings, unchecked, sorted(here.keys() - known))


def _finding(one: Mapping[str, Any], here: Mapping[str, str]) -> BundledFinding:
    kind, certainty = _text(one, "kind"), _text(one, "certainty")
    return BundledFinding(
        kind, _text(one, "severity"), certainty, _text(one, "message"), here.get(kind) == certainty
    )


def _records(verdict: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    found = verdict.get(key)
    return [one for one in found if isinstance(one, dict)][:SHOWN] if isinstance(found, list) else []


def _text(one: Mapping[str, Any], key: str) -> str:
    return str(one.get(key, ""))[:_TEXT]
