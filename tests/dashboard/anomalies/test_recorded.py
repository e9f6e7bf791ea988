"""All detectors on all streams that real SDKs wrote, against what is truly wrong in each."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from dashboard.anomalies.detectors.base import Found
from dashboard.anomalies.judge import StreamJudge
from dashboard.anomalies.scan import open_world, scan
from dashboard.anomalies.survey import survey_of
from tests.examples import WITHOUT_A_PROBE
from tests.recordings import PYTHON_SDK, python_scenarios, scenarios, unpack

RECORDED = sorted({(entry["sdk"], entry["label"]) for entry in scenarios()})
Fact = tuple[str, str, int]  # kind, stream, how many chunks where that is known

COUNTED = {"chunks-after-eof": "write_after_close", "multiple-eof": "closed_more_than_once"}
# True as well, although the recordings have no word for it: repeated or interleaved parts, scrambled text.
BREAKS_THE_PROTOCOL = {"e_retries", "g_parallelSameId"}
# True as well: in the recordings it is only told by a note ("text is duplicated on the stream"), or of the run.
BY_SCENARIO = {"e_retries": "repeated_by_retry"}
RAN_TWICE = "step started more times than retries explain (double execution)"
PYTHON_TRUTH = {
    "racing_writers": {"closed_more_than_once", "double_execution"},  # the step that closes ran twice
    "retry_restream": {"repeated_by_retry"},
    "write_after_close_other_step": {"write_after_close"},
    "never_closed": {"never_closed"},
    "failing": {"never_closed"},
    "ui_protocol_violation": {"protocol_violation"},
}


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Path]:
    return {
        (sdk, label): unpack(sdk, label, tmp_path_factory.mktemp(f"{sdk}-{label}"))
        for sdk, label in [*RECORDED, (PYTHON_SDK, "plain")]
    }


def truth_of(anomaly: dict[str, Any]) -> set[Fact]:
    words = anomaly["anomaly"]
    counted = re.fullmatch(r"([\w-]+)\((\d+)\)", words)
    if counted and counted[1] in COUNTED:
        return {(COUNTED[counted[1]], anomaly["stream"], int(counted[2]))}
    if words == "never-closed":
        return {("never_closed", anomaly["stream"], 0)}
    if words == RAN_TWICE:
        return {("double_execution", anomaly["of"], 0)}
    if words == "streams missing from streams/runs mapping":
        return {("stream_unlisted", stream, 0) for stream in anomaly["streams"]}
    return set()


def truth_of_entry(entry: dict[str, Any]) -> set[Fact]:
    first = entry["streams"][0]["name"] if entry["streams"] else ""
    facts = {fact for one in entry["anomalies"] for fact in truth_of({"of": first} | one)}
    if entry["scenario"] in BY_SCENARIO:
        facts.add((BY_SCENARIO[entry["scenario"]], first, 0))
    return facts


def is_scrambled(entry: dict[str, Any]) -> bool:
    """Parallel steps interleave as well, which is in order for each of them."""
    words = {one["anomaly"] for one in entry["anomalies"]}
    return entry["scenario"].startswith("b_") and "persisted-order-differs-from-producer" in words


def fact_of(found: Found) -> Fact:
    return found.kind, found.stream, len(found.chunks) if found.kind in COUNTED.values() else 0


@pytest.mark.parametrize(("sdk", "label"), RECORDED)
def test_it_finds_exactly_what_is_wrong(unpacked: dict[tuple[str, str], Path], sdk: str, label: str):
    report = scan(open_world(str(unpacked[sdk, label])))
    expected = {fact for entry in scenarios(sdk, label) for fact in truth_of_entry(entry)}
    found = [one for one in report.findings if one.stream and one.kind != "protocol_violation"]
    assert {fact_of(one) for one in found} == expected
    assert [kind for kind, _ in report.unchecked] == WITHOUT_A_PROBE


@pytest.mark.parametrize(("sdk", "label"), RECORDED)
def test_it_finds_broken_messages_only_where_they_are(
    unpacked: dict[tuple[str, str], Path], sdk: str, label: str
):
    scenario_of = {run_id: entry["scenario"] for entry in scenarios(sdk, label) for run_id in entry["runIds"]}
    report = scan(open_world(str(unpacked[sdk, label])))
    found = {scenario_of[one.run_id] for one in report.findings if one.kind == "protocol_violation"}
    scrambled = {entry["scenario"] for entry in scenarios(sdk, label) if is_scrambled(entry)}
    assert found == (BREAKS_THE_PROTOCOL & set(scenario_of.values())) | scrambled


def test_it_finds_exactly_what_is_wrong_in_the_python_sdks_world(unpacked: dict[tuple[str, str], Path]):
    report = scan(open_world(str(unpacked[PYTHON_SDK, "plain"])))
    found: dict[str, set[str]] = {}
    scenario_of = {entry["run_id"]: name for name, entry in python_scenarios().items()}
    for one in report.findings:
        if one.stream:
            found.setdefault(scenario_of[one.run_id], set()).add(one.kind)
    assert found == PYTHON_TRUTH


def test_the_broken_chunks_of_a_message_are_the_ones_that_the_writer_broke(
    unpacked: dict[tuple[str, str], Path],
):
    report = scan(open_world(str(unpacked[PYTHON_SDK, "plain"])))
    (found,) = [one for one in report.findings if one.kind == "protocol_violation"]
    assert [chunk.position for chunk in found.chunks] == [1, 5, 7]


@pytest.mark.parametrize(("sdk", "label"), RECORDED)
def test_it_marks_moved_chunks_only_in_the_scrambled_stream(
    unpacked: dict[tuple[str, str], Path], sdk: str, label: str
):
    survey = survey_of(open_world(str(unpacked[sdk, label])))
    marked = set()
    for name in survey.stream_names():
        stream, judge = survey.stream_facts(name), StreamJudge()
        for chunk in survey.chunk_facts(name, stream.framing):
            judge.feed(chunk)
        if judge.judge(stream, survey.began_ns, survey.world.supplies).moved:
            marked.add(name)
    scrambled = {
        stream["name"]
        for entry in scenarios(sdk, label)
        if is_scrambled(entry)
        for stream in entry["streams"]
    }
    assert marked == scrambled
