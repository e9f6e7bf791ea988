"""What finished runs teach, from their logs alone."""

from __future__ import annotations

import pytest

from dashboard.anomalies.judge_run import judge_run
from dashboard.anomalies.threshold_medians import (
    LEAST_RUNS,
    Learned,
    Lesson,
    Sample,
    learned_by_workflow,
    learned_from,
    sample_of,
    settled,
)
from dashboard.anomalies.thresholds import ABOUT
from tests.run_examples import SUPPLIES, run_example


def log_of(line: str):
    run = run_example(f"{line} -> nothing").run
    return [(event.type, event.about, event.time_ns) for event in run.events]


def learned(**facts: float) -> dict[str, float]:
    return learned_from([Sample(**facts)] * LEAST_RUNS).values


@pytest.mark.parametrize(
    ("line", "sample"),
    [
        ("created @9 started completed", (9, 0.01, None)),
        ("created started step(A) @60 start(A) @100 end(A) @130 completed", (0.01, 59.98, 40.01)),
        ("created started step(A) start(A) @50 retry(A) start(A) @150 end(A) completed", (0.01, 0.01, 100)),
        ("created started wait(W,resume=500) @501 woke(W) @511 completed", (0.01, 10.0, None)),
        ("created started hook(H) @500 got(H) @600 gone(H) completed", (0.01, 0.01, None)),
        ("created", (None, None, None)),
    ],
)
def test_it_reads_when_a_run_began_was_quiet_and_worked(line: str, sample: tuple[float | None, ...]):
    found = sample_of(log_of(f"run=completed {line}"))
    assert (found.pending_s, found.quiet_s, found.step_s) == pytest.approx(sample, abs=0.02)


def test_a_threshold_is_a_multiple_of_the_median_within_bounds():
    assert learned(step_s=600) == {"step_s": 2400}
    assert learned(quiet_s=60) == {"idle_s": 1200}
    assert learned(pending_s=0.1, quiet_s=0.1, step_s=0.1) == {"pending_s": 150, "idle_s": 300, "step_s": 900}
    assert learned(pending_s=1e6, quiet_s=1e6, step_s=1e6) == {
        "pending_s": 3600,
        "idle_s": 3600,
        "step_s": 21_600,
    }


def test_a_median_does_not_follow_the_few_that_took_long():
    usual, long = [Sample(step_s=300)] * 15, [Sample(step_s=80_000)] * 14
    assert learned_from(usual + long).values == {"step_s": 1200}


def test_few_runs_teach_nothing():
    assert learned_from([Sample(step_s=600)] * (LEAST_RUNS - 1)).values == {}
    mixed = [Sample(step_s=600)] * (LEAST_RUNS - 1) + [Sample(quiet_s=1)] * 50
    assert set(learned_from(mixed).values) == {"idle_s"}, "nor a fact that few of them have"


def test_what_was_learned_stays_while_it_is_about_the_same():
    before = Learned({"step_s": Lesson(2400, 600), "idle_s": Lesson(300, 1)}, 20)
    alike = settled(before, Learned({"step_s": Lesson(2900, 725)}, 30))
    assert alike.lessons == {"step_s": Lesson(2400, 725), "idle_s": Lesson(300, 1)} and alike.runs == 30
    other = settled(before, Learned({"step_s": Lesson(3100, 775)}, 30))
    assert other.values == {"step_s": 3100, "idle_s": 300}
    assert settled(before, Learned()) == before, "runs that are no longer kept are not unlearned"


def test_a_scan_learns_by_workflow_from_what_completed():
    slow = run_example("run=completed created started step(A) start(A) @1200 end(A) completed -> nothing").run
    hung = run_example("run=running created started step(A) start(A) now=99999 -> nothing").run
    failed = run_example("run=failed created started step(A) start(A) @9000 end(A) failed -> nothing").run
    found = learned_by_workflow([slow] * LEAST_RUNS + [hung, failed] * LEAST_RUNS)
    assert set(found) == {slow.workflow} and found[slow.workflow].step_s == 4800
    assert found[slow.workflow].origins["step_s"] == "learned"
    assert learned_by_workflow([hung, failed] * 50) == {}, "what hangs or fails teaches nothing"


def test_what_is_usual_for_a_workflow_is_no_finding_and_what_is_not_still_is():
    slow = run_example("run=completed created started step(A) start(A) @1200 end(A) completed -> nothing").run
    thresholds = learned_by_workflow([slow] * LEAST_RUNS)[slow.workflow]

    def kinds(line: str) -> list[str]:
        one = run_example(line)
        return [found.kind for found in judge_run(one.run, one.now_ns, SUPPLIES, thresholds).found]

    assert kinds("run=running created started step(A) start(A) now=1300 -> nothing") == []
    assert kinds("run=running created started step(A) start(A) now=5000 -> nothing") == ["step_unfinished"]
    assert kinds("run=running created started step(A) start(A) end(A) now=400 -> nothing") == ["run_stuck"]
    assert ABOUT["idle_s"].default == 600, "sooner than by the default, where nothing is ever quiet"
