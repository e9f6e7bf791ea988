"""The examples in the docstrings of detectors of runs, which are also their documentation, run as they stand.

Every detector of runs runs on every line and may only find what the line says.
"""

from __future__ import annotations

import inspect

import pytest

from dashboard.anomalies.detectors.base import SEVERITIES
from dashboard.anomalies.judge_run import judge_run
from dashboard.anomalies.run_detectors.base import RUN_DETECTORS, RunDetector
from dashboard.anomalies.run_facts import RUN_ENDS
from tests.run_examples import BASE_NS, SUPPLIES, RunExample, run_example, run_examples_in

SECTIONS = ["What it does", "Why it matters", "Example", "Needs", "False alarms"]
EXAMPLES = [
    one
    for detector in RUN_DETECTORS.found.values()
    for one in run_examples_in(inspect.getdoc(detector) or "")
]
DETECTORS = RUN_DETECTORS.found.values()


@pytest.mark.parametrize("one", EXAMPLES, ids=lambda one: one.line)
def test_it_finds_exactly_what_its_example_says(one: RunExample):
    assert one.results() == one.expected


@pytest.mark.parametrize("detector", DETECTORS, ids=lambda detector: detector.kind)
def test_it_is_documented_with_an_example_and_its_negative(detector: type[RunDetector]):
    text = inspect.getdoc(detector) or ""
    assert [line[3:] for line in text.splitlines() if line.startswith("## ")] == SECTIONS
    own = [one for one in run_examples_in(text) if detector.kind in one.expected]
    negatives = [one for one in run_examples_in(text) if not one.expected]
    assert own and negatives
    assert detector.fix and detector.upstream


@pytest.mark.parametrize(("name", "detector"), RUN_DETECTORS.found.items())
def test_its_file_is_named_after_its_kind(name: str, detector: type[RunDetector]):
    assert detector.kind == name and detector.severity in SEVERITIES


@pytest.mark.parametrize("one", EXAMPLES, ids=lambda one: one.line)
def test_a_finding_names_its_run_and_events_of_it(one: RunExample):
    known = {event.event_id for event in one.run.events}
    for found in one.verdict().found:
        assert found.run_id == one.run.run_id and set(found.events) <= known
        assert found.message.endswith(".") and "  " not in found.message


@pytest.mark.parametrize("kind", RUN_DETECTORS.found)
def test_without_a_detector_nothing_else_finds_what_it_finds(kind: str):
    others = [detector for name, detector in RUN_DETECTORS.found.items() if name != kind]
    own = [one for one in EXAMPLES if kind in one.expected]
    assert own
    for one in own:
        found = judge_run(one.run, one.now_ns, SUPPLIES, detectors=others).found
        assert sorted(each.kind for each in found) == [name for name in one.expected if name != kind]


def test_it_reads_a_line_of_words():
    one = run_example(
        'run=failed code=X error="a b" created started @5 2x(start(A) +60 retry(A)) failed now=200 -> error_lost'
    )
    assert [event.type for event in one.run.events] == [
        "run_created", "run_started", "step_started", "step_retrying", "step_started", "step_retrying", "run_failed",
    ]  # fmt: skip
    assert one.run.events[2].time_ns == BASE_NS + 5_010_000_000
    assert one.run.events[3].time_ns == BASE_NS + 65_020_000_000
    assert (one.run.error_code, one.run.error.text, one.expected) == ("X", "a b", ["error_lost"])
    assert one.run.end is not None and RUN_ENDS[one.run.end.type] == "failed"
