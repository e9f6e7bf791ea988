"""Steps that are tried again and again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import ClassVar

from dashboard.anomalies.detectors.base import Found, Severity, labels_of, step_label
from dashboard.anomalies.run_detectors.base import (
    Answer,
    RunDetector,
    after,
    count_of,
    ids_of,
    the_only,
)
from dashboard.anomalies.run_facts import EventFact, RunFacts
from dashboard.anomalies.thresholds import words_of


class RetryStorm(RunDetector):
    """## What it does
    Finds runs whose steps were retried 10 times within a minute, and steps that were retried 25 times, however
    slowly.

    ## Why it matters
    Whatever is called fails, and is called more often because of it: quotas are used up, other runs suffer, and
    each attempt makes the log longer.

    ## Example
        run=running at=0 created started step(A) 10x(start(A) retry(A)) now=60 -> retry_storm
        run=running at=0 created started step(A) 25x(start(A) +60 retry(A)) now=1530 -> retry_storm
        run=running at=0 created started step(A) 5x(start(A) retry(A)) start(A) end(A) now=60 -> nothing
        run=running at=0 created started step(A) 12x(start(A) +30 retry(A)) start(A) end(A) now=400 -> nothing

    ## Needs
    The event log.

    ## False alarms
    The SDK retries a step three times by default: that alone is never told. A step that polls by failing on
    purpose does it slowly; raise the threshold for its workflow.
    """

    kind: ClassVar[str] = "retry_storm"
    severity: ClassVar[Severity] = "warning"
    fix: ClassVar[str] = (
        "Throw RetryableError with a retryAfter that grows, FatalError where trying again cannot help."
    )
    upstream: ClassVar[tuple[int, ...]] = (1953, 532)

    def judge(self, run: RunFacts, now_ns: int) -> Iterator[Answer]:
        retries = [event for event in run.events if event.type == "step_retrying"]
        burst = self._burst(retries)
        often = Counter(event.about for event in retries)
        slow = {step for step, count in often.items() if count >= self.thresholds.retries_of_step}
        told = burst or [event for event in retries if event.about in slow]
        if not told:
            return
        rows, steps = run.step_rows, dict.fromkeys(event.about for event in told)
        names = labels_of(step_label(rows[one].name if one in rows else "", one) for one in steps)
        within = f" within {words_of(self.thresholds.retries_s)}" if burst else ""
        yield Found(
            self.kind,
            self.severity,
            "proved",
            f"{count_of(len(told), 'retry', 'retries').capitalize()}{within}: {names}.",
            run_id=run.run_id,
            step_id=the_only(steps),
            events=ids_of(told),
            evidence={
                "retries": len(retries),
                "in_burst": len(burst),
                "most_of_one_step": max(often.values()),
                "threshold": self.thresholds.told(
                    *(("retries", "retries_s") if burst else ("retries_of_step",))
                ),
            },
        )

    def _burst(self, retries: list[EventFact]) -> list[EventFact]:
        """The first group within the time, as long as it is large enough."""
        ordered, least = sorted(retries, key=lambda event: event.time_ns), self.thresholds.retries
        for first in range(len(ordered) - least + 1):
            until_ns = after(ordered[first].time_ns, self.thresholds.retries_s)
            if ordered[first + least - 1].time_ns <= until_ns:
                return [event for event in ordered[first:] if event.time_ns <= until_ns]
        return []
