"""What a scan found, beside what is true of a recording."""

from __future__ import annotations

from dashboard.anomalies.detectors.base import SEVERITIES
from dashboard.anomalies.report import Report
from tests.accuracy_streams import Result


def judge(report: Report, result: Result) -> None:
    """Of several findings of one kind in one run the most severe counts."""
    for subject in report.subjects:
        result.unchecked |= {(one.kind, subject.run_id) for one in subject.unchecked}
    for found in report.findings:
        kept = result.found.setdefault((found.kind, found.run_id), found)
        if SEVERITIES.index(found.severity) > SEVERITIES.index(kept.severity):
            result.found[found.kind, found.run_id] = found
