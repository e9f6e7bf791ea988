"""A log that becomes too long to be replayed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from dashboard.anomalies.detectors.base import Found, Severity
from dashboard.anomalies.run_detectors.base import Answer, RunDetector
from dashboard.anomalies.run_facts import FILLER, RunFacts

# Codes with which the SDK gives up. What each means, in words.
CODES = {
    "MAX_EVENTS_EXCEEDED": "it has more events than a run may have",
    "REPLAY_TIMEOUT": "replaying its events takes too long",
    "MAX_DELIVERIES_EXCEEDED": "its message was delivered too often without an answer",
}
WITHOUT_CEILING = ("4.0.", "4.1.", "4.2.")  # these count nothing: replays become slower until they time out


class EventLogGrowth(RunDetector):
    """## What it does
    Finds runs with more than four fifths of the events that a run may have (25,000), and runs that failed
    because of it: MAX_EVENTS_EXCEEDED, REPLAY_TIMEOUT, MAX_DELIVERIES_EXCEEDED.

    ## Why it matters
    Each time a run goes on, all its events are read and replayed. It becomes slower and slower, and at the limit
    the run fails.

    ## Example
        run=running at=0 created started events=21000 now=60 -> event_log_growth
        run=failed code=REPLAY_TIMEOUT error="x" created started failed -> event_log_growth
        run=running at=0 created started events=19000 now=60 -> nothing

    ## Needs
    The number of events, or the run's error code.

    ## False alarms
    A run that has completed with many events is not told: it came to its end. Fillers of a sealed log do not
    count. Worlds may have another limit, which storage does not say.
    """

    kind: ClassVar[str] = "event_log_growth"
    severity: ClassVar[Severity] = "warning"
    fix: ClassVar[str] = "Let a long run start its successor and end, or put loops into one step."
    upstream: ClassVar[tuple[int, ...]] = (1012, 1735, 3373, 1953)

    def judge(self, run: RunFacts, now_ns: int) -> Iterator[Answer]:
        failed = run.end if run.end is not None and run.end.type == "run_failed" else None
        code = run.error_code or (failed.said.get("errorCode", "") if failed else "")
        count = run.event_total - sum(event.type == FILLER for event in run.events)
        limit = self.thresholds.events
        if run.outcome == "failed" and code in CODES:
            yield self._found(run, f"The run failed: {CODES[code]} ({code}).", count, code)
        elif not run.is_over and count >= limit * self.thresholds.events_part:
            what = f"The run has {count:,} events, and it goes on; "
            ends = f"at {limit:,} it fails."
            if run.sdk_version.startswith(WITHOUT_CEILING):
                ends = (
                    f"SDK {run.sdk_version} has no limit, but each replay takes longer, until it times out."
                )
            yield self._found(run, what + ends, count, "")

    def _found(self, run: RunFacts, message: str, count: int, code: str) -> Found:
        return Found(
            self.kind,
            self.severity,
            "proved",
            message,
            run_id=run.run_id,
            events=(run.events[-1].event_id,) if run.events else (),
            evidence={
                "events": count,
                "limit": self.thresholds.events,
                "error_code": code,
                "threshold": self.thresholds.told("events", "events_part"),
            },
        )
