"""What a scan found and what it looked at: made by `dashboard.anomalies.scan`, written in several formats."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from dashboard.anomalies.detectors.base import SEVERITIES, Found, NotChecked


@dataclass(frozen=True, slots=True)
class Subject:
    """One stream or (with an empty stream) one run that was judged, and what of it could not be."""

    run_id: str
    stream: str = ""
    unchecked: tuple[NotChecked, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """What a scan found. `workflows` are by run id, `step_names` by run id and step id."""

    kind: str
    location: str
    sdk_versions: list[str]
    counts: dict[str, int]
    findings: list[Found]
    unchecked: list[tuple[str, str]]  # kind, reason
    subjects: list[Subject] = field(default_factory=list)
    workflows: Mapping[str, str] = field(default_factory=dict)
    step_names: Mapping[tuple[str, str], str] = field(default_factory=dict)


def is_loud(found: Found, level: str) -> bool:
    """Whether a finding is at or above `level`. What is only at risk never fails a build."""
    return found.certainty != "at_risk" and SEVERITIES.index(found.severity) >= SEVERITIES.index(level)


def well_formed(text: str) -> str:
    """Text that can be written as UTF-8: lone surrogates, which payloads may hold, are replaced."""
    return text.encode("utf-8", "replace").decode()
