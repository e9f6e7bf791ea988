"""A run that failed because its replay does not fit its log."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from dashboard.anomalies.detectors.base import Found, Severity
from dashboard.anomalies.run_detectors.base import Answer, RunDetector
from dashboard.anomalies.run_facts import ErrorFact, RunFacts

CODES = ("CORRUPTED_EVENT_LOG", "REPLAY_DIVERGENCE")
# Versions without these codes say RUNTIME_ERROR, or none, and these words.
WORDS = ("Corrupted event log", "CorruptedEventLogError", "Replay divergence", "ReplayDivergenceError")


class ReplayDivergence(RunDetector):
    """## What it does
    Finds runs that failed with the code CORRUPTED_EVENT_LOG or REPLAY_DIVERGENCE, or in older versions of the
    SDK with a runtime error that says so.

    ## Why it matters
    A replay met an event that the workflow's code does not ask for: the code changed under a run that was going
    on, it does something else each time (dates, random numbers, the order of a race), or the SDK wrote its log
    in an order that it cannot read. The run is lost, and so are others of the same code.

    ## Example
        run=failed code=CORRUPTED_EVENT_LOG error="x" created started failed -> replay_divergence
        run=failed error="Corrupted event log: step s created but not found" created started failed -> replay_divergence
        run=failed code=USER_ERROR error="x" created started failed -> nothing
        run=failed code=USER_ERROR error="Replay divergence: my own words" created started failed -> nothing

    ## Needs
    The run's error code, or the text of its error.

    ## False alarms
    An error of the user's own code is never taken for one, whatever it says. Divergences from which the SDK
    recovered by itself are only in the app's log, not in storage.
    """

    kind: ClassVar[str] = "replay_divergence"
    severity: ClassVar[Severity] = "critical"
    fix: ClassVar[str] = (
        "Let runs finish on the deployment that began them, and keep dates, random numbers and requests in steps."
    )
    upstream: ClassVar[tuple[int, ...]] = (2737, 3070, 4021, 4017, 2212)

    def judge(self, run: RunFacts, now_ns: int) -> Iterator[Answer]:
        failed = run.end if run.end is not None and run.end.type == "run_failed" else None
        if run.outcome != "failed":
            return
        code = run.error_code or (failed.said.get("errorCode", "") if failed else "")
        error = run.error if run.error.state != "absent" or failed is None else failed.error
        by_code = code in CODES
        if not by_code and not (code in ("", "RUNTIME_ERROR") and _says_so(error)):
            return
        yield Found(
            self.kind,
            self.severity,
            "proved" if by_code else "suspected",
            f"The run failed because its replay does not fit its event log ({code if by_code else error.text[:200]}).",
            run_id=run.run_id,
            events=(failed.event_id,) if failed else (),
            evidence={"error_code": code, "sdk_version": run.sdk_version, "error": error.text[:500]},
            missing=() if by_code else ("an error code",),
        )


def _says_so(error: ErrorFact) -> bool:
    return any(error.text.startswith(words) or f": {words}" in error.text[:100] for words in WORDS)
