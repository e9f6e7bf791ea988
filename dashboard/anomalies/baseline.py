"""A baseline: findings that are known already, so that a team can start from today. Pure but for its two files' I/O.

The file is JSON: `{"tailrace_baseline": 1, "findings": [...]}`, each finding with what makes its group (`kind`,
`workflow`, `step`, `namespace`), its `stream`, the worst `severity` and how many there were (`count`). It holds no
time and no run id, and is sorted, so that it changes only when what is known changes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, get_args

from dashboard.anomalies.detectors.base import SEVERITIES, Found, Severity
from dashboard.anomalies.report import Report, well_formed

VERSION = 1
MARKER = "tailrace_baseline"
MAX_BYTES = 64 * 2**20
_TEXTS = ("kind", "workflow", "step", "namespace", "stream")


class BaselineError(Exception):
    """A file that is no baseline, or cannot be read or written; says why in one sentence."""


@dataclass(frozen=True, slots=True, order=True)
class Group:
    """What findings have in common that are taken for the same; `stream` is empty unless streams are told apart."""

    kind: str
    workflow: str = ""
    step: str = ""
    namespace: str = ""
    stream: str = ""

    @property
    def fingerprint(self) -> str:
        return sha256(
            json.dumps([self.kind, self.workflow, self.step, self.namespace, self.stream]).encode()
        ).hexdigest()


@dataclass(frozen=True, slots=True)
class Baseline:
    """Groups that are known, with the worst severity that they had."""

    known: Mapping[Group, Severity]
    is_exact: bool = False  # streams are told apart

    def knows(self, found: Found, report: Report) -> bool:
        """Whether a finding is known, and no worse than what is known."""
        group = group_of(found, report)
        severity = self.known.get(group if self.is_exact else replace(group, stream=""))
        return severity is not None and SEVERITIES.index(found.severity) <= SEVERITIES.index(severity)


def group_of(found: Found, report: Report) -> Group:
    """With its stream. A step is known by its name: its id is another in every run."""
    return Group(
        found.kind,
        well_formed(report.workflows.get(found.run_id, "")),
        well_formed(report.step_names.get((found.run_id, found.step_id), "")),
        well_formed(found.stream.partition("_user_")[2]),
        well_formed(found.stream),
    )


def as_text(report: Report) -> str:
    """The baseline file of all that a scan found."""
    worst: dict[Group, tuple[int, int]] = {}  # severity, count
    for found in report.findings:
        group = group_of(found, report)
        severity, count = worst.get(group, (0, 0))
        worst[group] = max(severity, SEVERITIES.index(found.severity)), count + 1
    findings = [
        asdict(group) | {"severity": SEVERITIES[severity], "count": count}
        for group, (severity, count) in sorted(worst.items())
    ]
    return json.dumps({MARKER: VERSION, "findings": findings}, indent=1) + "\n"


def read(path: str, *, is_exact: bool = False) -> Baseline:
    """Raises BaselineError."""
    try:
        with Path(path).open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise BaselineError(f"{path} cannot be read: {error.strerror}") from None
    if len(raw) > MAX_BYTES:
        raise BaselineError(f"{path} is larger than any baseline")
    return parse(raw, path, is_exact=is_exact)


def parse(raw: bytes, path: str, *, is_exact: bool = False) -> Baseline:
    """Raises BaselineError for anything that `as_text` did not write."""
    try:
        whole = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise BaselineError(f"{path} is no baseline: it is not JSON ({error})") from None
    version = whole.get(MARKER) if isinstance(whole, dict) else None
    if type(version) is not int:
        raise BaselineError(f"{path} is no baseline: it was not written by --write-baseline")
    if version != VERSION:
        raise BaselineError(
            f"{path} is a baseline of version {version}, this Tailrace reads version {VERSION}"
        )
    known: dict[Group, Severity] = {}
    for group, severity in _entries(whole.get("findings"), path):
        key = group if is_exact else replace(group, stream="")
        known[key] = max(known.get(key, severity), severity, key=SEVERITIES.index)
    return Baseline(known, is_exact)


def _entries(findings: Any, path: str) -> Iterator[tuple[Group, Severity]]:
    if not isinstance(findings, list):
        raise BaselineError(f"{path} is a damaged baseline: it has no list of findings")
    for number, one in enumerate(findings, 1):
        values = [one.get(name) for name in _TEXTS] if isinstance(one, dict) else [None]
        if not all(isinstance(value, str) for value in values) or one.get("severity") not in get_args(
            Severity
        ):
            raise BaselineError(f"{path} is a damaged baseline: finding {number} is not whole")
        yield Group(*values), one["severity"]
