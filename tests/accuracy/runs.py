"""What recordings say is truly wrong with their runs, in the kinds of this product, beside what is found.

The words of the recordings' `scenarios.json` are read by the table in `WORDS`. What has no word there and
no kind of a run behind it is left to the streams.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from dashboard.anomalies.detectors.base import SEVERITIES, Found
from dashboard.anomalies.run_detectors.base import RUN_DETECTORS

WORDS = {
    "duplicate step_created": "duplicate_event",
    "events after the terminal run event": "event_after_end",
    "step completed after run_cancelled": "event_after_end",
    "hook-token-conflict": "hook_conflict",
    "stuck-step": "step_unfinished",
}
LOUD = SEVERITIES.index("warning")


@dataclass(slots=True)
class Tally:
    """Of one kind in one recording."""

    expected: int = 0
    found: int = 0
    missed: list[str] = field(default_factory=list)  # run ids
    false: list[str] = field(default_factory=list)  # of warnings and worse
    quiet: int = 0  # info that no word of the recording speaks of


def kinds_of(words: Iterable[str]) -> set[str]:
    """The kinds of runs behind a recording's words."""
    return {kind for one in words for start, kind in WORDS.items() if re.match(re.escape(start), one)}


def truths(scenarios: Iterable[Mapping[str, Any]]) -> dict[str, set[str]]:
    """Kinds by run id. A word may name the runs that it is about; else it is about the scenario's last one."""
    found: dict[str, set[str]] = {}
    for entry in scenarios:
        for run_id in entry["runIds"]:
            found.setdefault(run_id, set())
        if entry["runIds"]:
            found[entry["runIds"][-1]] |= kinds_of(_words(entry))
    return found


def _words(entry: Mapping[str, Any]) -> Iterator[str]:
    for one in entry.get("anomalies", ()):
        yield one["anomaly"] if isinstance(one, dict) else str(one)
    yield from entry.get("anomalies_present", ())
    yield from entry.get("truth", {}).get("anomalies", ())


def tally(findings: Iterable[Found], truth: Mapping[str, set[str]]) -> dict[str, Tally]:
    """By kind. Only kinds of runs count."""
    table: dict[str, Tally] = {}
    found = {(one.kind, one.run_id): one for one in findings if one.kind in RUN_DETECTORS.found}
    for run_id, kinds in truth.items():
        for kind in kinds:
            row = table.setdefault(kind, Tally())
            row.expected += 1
            if (kind, run_id) not in found:
                row.missed.append(run_id)
    for (kind, run_id), one in found.items():
        row = table.setdefault(kind, Tally())
        row.found += 1
        if kind not in truth.get(run_id, ()):
            is_loud = SEVERITIES.index(one.severity) >= LOUD
            row.false += [run_id] if is_loud else []
            row.quiet += not is_loud
    return table


def lines_of(table: Mapping[str, Mapping[str, Tally]]) -> Iterator[str]:
    """As text, kind by recording."""
    yield f"{'kind':22}{'recording':30}{'expected':>9}{'found':>7}{'missed':>8}{'false':>7}{'info':>6}"
    total: Counter[str] = Counter()
    for recording, rows in table.items():
        for kind, row in sorted(rows.items()):
            numbers = (row.expected, row.found, len(row.missed), len(row.false), row.quiet)
            total.update(dict(zip(("expected", "found", "missed", "false", "info"), numbers, strict=True)))
            yield f"{kind:22}{recording:30}" + "".join(
                f"{number:>{width}}" for number, width in zip(numbers, (9, 7, 8, 7, 6), strict=True)
            )
    yield f"{'all':52}" + "".join(
        f"{total[name]:>{width}}"
        for name, width in (("expected", 9), ("found", 7), ("missed", 8), ("false", 7), ("info", 6))
    )
