"""A small report as a scan makes it, for the tests of its formats."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from dashboard.anomalies.detectors.base import ChunkRef, Found, NotChecked
from dashboard.anomalies.report import Report, Subject

RUN = "wrun_1"
STREAM = "strm_1_user_bm90ZXM"
HOSTILE = "a\x00b\x1b[2J\ud800<&>]]>\"' {0} [here](https://evil.example)"

BEHIND = Found(
    "write_after_close",
    "error",
    "proved",
    "A chunk is stored behind the end marker.",
    run_id=RUN,
    stream=STREAM,
    chunks=(ChunkRef("chnk_2", None, 2), ChunkRef("chnk_3", None, 3)),
    evidence={"chunks_behind": 2},
    missing=("the probe",),
)
TWICE = Found("closed_more_than_once", "info", "proved", "Closed twice.", run_id=RUN, stream=STREAM)
STUCK = Found(
    "run_stuck", "error", "at_risk", "Nothing happens.", run_id=RUN, step_id="step_1", events=("evnt_1",)
)
NO_PROBE = NotChecked("chunk_lost", "not checked here: no probe reported who writes to this stream")
TOO_EARLY = NotChecked("never_closed", f"{STREAM}: its run has just ended", STREAM, RUN, due_ns=5)


def report(*findings: Found, unchecked: tuple[NotChecked, ...] = (NO_PROBE,), **other: Any) -> Report:
    whole = Report(
        "local",
        "/srv/app",
        ["4.8.9"],
        {"runs": 1, "streams": 1},
        list(findings),
        [(one.kind, one.reason) for one in unchecked],
        [Subject(RUN, STREAM, unchecked), Subject(RUN)],
        {RUN: "flow"},
        {(RUN, "step_1"): "emit"},
    )
    return replace(whole, **other)


def hostile() -> Report:
    """Text from outside wherever a report has any."""
    found = replace(
        BEHIND, message=HOSTILE, stream=HOSTILE, run_id=HOSTILE, evidence={"x": HOSTILE}, missing=(HOSTILE,)
    )
    subjects = [Subject(HOSTILE, HOSTILE), Subject(HOSTILE)]
    return report(found, location=HOSTILE, subjects=subjects, unchecked=(NotChecked("unreadable", HOSTILE),))
