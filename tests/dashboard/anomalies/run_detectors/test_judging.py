"""How loud and how sure a finding of a run is, from when on, and what happens where a detector cannot answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import pytest

from dashboard.anomalies.detectors.base import Severity
from dashboard.anomalies.judge_run import judge_run
from dashboard.anomalies.run_detectors.base import RUN_DETECTORS, Answer, RunDetector
from dashboard.anomalies.run_facts import AHEAD_NS, RunFacts, WorldClock
from dashboard.anomalies.thresholds import DEFAULTS, Thresholds, words_of
from dashboard.lib.clock import NS_PER_S
from tests.run_examples import BASE_NS, SUPPLIES, run_example

KINDS = {
    "run_stuck", "wait_overdue", "entity_log_mismatch", "step_unfinished", "replay_divergence", "duplicate_event",
    "event_after_end", "hook_conflict", "event_log_growth", "clock_skew", "retry_storm", "error_lost",
    "wait_left_open",
}  # fmt: skip


def test_every_kind_of_a_run_has_its_detector():
    assert set(RUN_DETECTORS.found) == KINDS


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("run=running created started now=3600", ("run_stuck", "error", "suspected")),
        ("run=running created started silent=yes now=3600", ("run_stuck", "info", "at_risk")),
        ("run=running created started wait(W,resume=9) now=3600", ("wait_overdue", "error", "proved")),
        ("run=running created started wait(W,resume=9) silent=yes", ("wait_overdue", "info", "at_risk")),
        ("run=running created started step(A) row(A=completed) now=90", ("entity_log_mismatch", "critical", "proved")),
        (
            "run=completed created started step(A) row(A=completed) completed now=90",
            ("entity_log_mismatch", "warning", "proved"),
        ),
        (
            "run=running created started step(A) row(A=completed) silent=yes now=400",
            ("entity_log_mismatch", "warning", "suspected"),
        ),
        ("run=running created started step(A) start(A) now=1000", ("step_unfinished", "warning", "proved")),
        ("run=completed created started step(A) start(A) completed", ("step_unfinished", "info", "proved")),
        ("run=running created started step(A) step(A) now=9", ("duplicate_event", "info", "proved")),
        ("run=running created started step(A) end(A) fail(A) now=9", ("duplicate_event", "error", "proved")),
        ("run=running created started conflict(I,t) now=9", ("hook_conflict", "warning", "proved")),
        ("run=running created started hook(H,t) conflict(I,t) now=9", ("hook_conflict", "error", "proved")),
        (
            "run=running created started hook(H,t) gone(H) conflict(I,t) now=9",
            ("hook_conflict", "warning", "proved"),
        ),
        ('run=failed code=REPLAY_DIVERGENCE error="x" created failed', ("replay_divergence", "critical", "proved")),
        (
            'run=failed error="RUNTIME_ERROR: Corrupted event log" created failed',
            ("replay_divergence", "critical", "suspected"),
        ),
        ("run=completed spec=3 minted=18000 created started completed", ("clock_skew", "info", "proved")),
    ],
)  # fmt: skip
def test_it_is_as_loud_and_as_sure_as_the_evidence(line: str, said: tuple[str, str, str]):
    (found,) = run_example(f"{line} -> nothing").verdict().found
    assert (found.kind, found.severity, found.certainty) == said


@pytest.mark.parametrize(
    ("line", "thresholds"),
    [
        ("run=running created started now=3600", Thresholds(idle_s=7200)),
        ("run=pending created now=500", Thresholds(pending_s=600)),
        ("run=running created started wait(W,resume=9) now=200", Thresholds(wait_s=300)),
        ("run=running created started step(A) row(A=completed) now=90", Thresholds(record_s=100)),
        ("run=running created started step(A) start(A) now=1000", Thresholds(step_s=1200)),
        ("run=running created started events=21000 now=9", Thresholds(events=100_000)),
        ("run=running created started step(A) 10x(start(A) retry(A)) now=9", Thresholds(retries=11)),
        ("run=completed minted=-10 created started completed", Thresholds(skew_s=11)),
        ("run=completed created started wait(W,resume=99) completed now=90", Thresholds(end_s=120)),
    ],
)
def test_thresholds_decide_from_when_on(line: str, thresholds: Thresholds):
    one = run_example(f"{line} -> nothing")
    assert len(judge_run(one.run, one.now_ns, SUPPLIES, DEFAULTS).found) == 1
    assert judge_run(one.run, one.now_ns, SUPPLIES, thresholds).found == []


def test_what_time_decides_is_asked_for_again_then():
    one = run_example("run=running created started wait(W,resume=100) now=30 -> nothing")
    assert one.verdict().due_ns == BASE_NS + 160 * NS_PER_S
    over = run_example("run=completed created started completed -> nothing")
    assert over.verdict().due_ns is None


class Broken(RunDetector):
    kind: ClassVar[str] = "broken"
    severity: ClassVar[Severity] = "error"

    def judge(self, run: RunFacts, now_ns: int) -> Iterator[Answer]:
        raise KeyError("oops")
        yield


def test_a_detector_that_fails_is_not_checked_and_silences_no_other():
    one = run_example("run=running created started now=3600 -> nothing")
    verdict = judge_run(one.run, one.now_ns, SUPPLIES, detectors=[Broken, RUN_DETECTORS.found["run_stuck"]])
    assert [found.kind for found in verdict.found] == ["run_stuck"]
    assert [(each.kind, "KeyError" in each.reason) for each in verdict.unchecked] == [("broken", True)]


def test_where_nobody_reads_the_storage_nothing_is_called_clean():
    one = run_example("run=running created started now=3600 -> nothing")
    verdict = judge_run(one.run, one.now_ns, frozenset({"writes"}))
    assert verdict.found == [] and {each.kind for each in verdict.unchecked} == KINDS


def test_the_clock_of_a_world_goes_on_with_ours_and_is_not_followed_far_ahead():
    clock = WorldClock(newest_ns=1_000, observed_ns=5_000)
    assert (clock.now(5_000), clock.now(7_000), clock.now(4_000)) == (1_000, 3_000, 1_000)
    ahead = WorldClock(newest_ns=10 * AHEAD_NS, observed_ns=5_000)
    assert ahead.now(5_000) == 5_000 + AHEAD_NS


def test_in_a_world_that_was_silent_before_we_saw_it_time_stands_still():
    cold = WorldClock(newest_ns=BASE_NS, observed_ns=BASE_NS + 301 * NS_PER_S)
    assert cold.is_cold and cold.now(BASE_NS + 9999 * NS_PER_S) == BASE_NS
    one = run_example("run=running created started silent=yes now=800 -> nothing")
    assert one.results() == [] and one.verdict().due_ns == one.run.progress_ns + 900 * NS_PER_S
    later = one.now_ns + 9999 * NS_PER_S
    verdict = judge_run(one.run, later, SUPPLIES)
    assert [found.certainty for found in verdict.found] == ["at_risk"]
    assert verdict.due_ns == later + 3600 * NS_PER_S, "only a sign of life changes the answer"


def test_times_are_told_in_words():
    said = [words_of(one) for one in (0.25, 59, 150, 7300, 3 * 86_400)]
    assert said == ["0.25 s", "59 s", "2.5 min", "2.03 h", "3 days"]
