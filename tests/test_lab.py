"""The lab runs the real SDK: if this fails, look here first, before the tests that watch it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tests.lab import VERSIONS
from tests.lab.cell import Told, app_in
from tests.lab.found import Finding
from tests.lab.setups import LATENCY_WORLD, SETUPS, VERCEL_WORLD, Setup
from tests.lab.truth import Refused, StreamTruth, is_interleaving, truths
from tests.lab.verdict import judge


@pytest.mark.parametrize("version", VERSIONS)
def test_the_real_sdk_writes_what_its_steps_meant(version, run_lab, tmp_path):
    world, truth = tmp_path / "world", tmp_path / "truth.jsonl"

    lab = run_lab(
        version, world, ["a_clean", "c_eagerClose", "many"], env={"LAB_TRUTH": str(truth), "LAB_MANY": "25"}
    )

    runs = {scenario: lab.started(scenario) for scenario in ("a_clean", "c_eagerClose", "many")}
    assert {scenario: lab.ended(scenario) for scenario in runs} == dict.fromkeys(runs, "completed")
    lab.finish()
    meant = [json.loads(line)["runId"] for line in truth.read_text().splitlines()]
    assert (_chunks(world, runs["a_clean"]), _closes(world, runs["a_clean"])) == (10, 1)
    assert meant.count(runs["a_clean"]) == 11
    assert (_chunks(world, runs["c_eagerClose"]), _closes(world, runs["c_eagerClose"])) == (12, 2)
    assert _chunks(world, runs["many"]) == 25


def test_the_slow_scenario_is_seen_while_it_is_going(run_lab, tmp_path):
    world = tmp_path / "world"
    lab = run_lab("4.8.9", world, ["slow"], env={"LAB_SLOW_COUNT": "20", "LAB_SLOW_PAUSE": "30"})

    run = lab.started("slow")
    while _chunks(world, run) < 3:
        assert lab.poll() is None
    assert _chunks(world, run) < 24

    assert lab.ended("slow") == "completed"
    lab.finish()
    assert _chunks(world, run) == 24


def _files(world, run):
    # 4.x puts the chunks of all streams into one directory, 5.x those of each stream into its own.
    found = (world / "streams" / "chunks").rglob("*.bin")
    return [file for file in found if run.removeprefix("wrun_") in str(file)]


def _chunks(world, run):
    return sum(file.stat().st_size > 1 for file in _files(world, run))


def _closes(world, run):
    return sum(file.read_bytes() == b"\x01" for file in _files(world, run))


# --- the Vercel stand-in, and the rules by which the lab judges -----------------------------------------
def test_the_real_vercel_client_writes_to_the_stand_in(lab, tmp_path):
    lab("4.8.9")
    setup = Setup("vercel", "", str(VERCEL_WORLD), ("a_clean",), is_read=False)

    with app_in("4.8.9", setup, tmp_path, None) as run:
        run.finish()

    told = Told.read(tmp_path)
    (stream,) = truths("4.8.9", told).values()
    assert told.results["a_clean"]["status"] == "completed"
    assert (len(stream.stored), stream.is_in_order, stream.missing) == (10, True, 0)
    assert len(told.arrivals) == 11, "ten chunks and a close, stored or refused"


def test_a_write_that_comes_after_the_end_of_the_run_is_refused_and_is_the_truth(lab, tmp_path):
    lab("4.8.9")
    setup = Setup(
        "far", "", str(LATENCY_WORLD), ("c_lateFlush",), {"LAB_LATENCY": "60-80", "LAB_REJECT": "1"}
    )

    with app_in("4.8.9", setup, tmp_path, None) as run:
        run.finish()

    told = Told.read(tmp_path)
    (stream,) = truths("4.8.9", told).values()
    assert told.results["c_lateFlush"]["status"] == "completed"
    assert [refused.is_close for refused in stream.refused] == [False]
    assert stream.missing == 5, "one was refused, and its writable sent no more"
    assert "Stream write failed: HTTP 409" in told.unhandled[0]["message"]


@pytest.mark.parametrize(
    ("stored", "groups", "is_in_order"),
    [
        ("abc", ["abc"], True),
        ("axby", ["ab", "xy"], True),
        ("ac", ["abc"], True),
        ("acb", ["abc"], False),
        ("abab", ["ab", "ab"], True),
        ("aabb", ["ab", "ab"], True),
        ("bbaa", ["ab", "ab"], False),
        ("abxaby", ["abx", "aby"], True),
        ("", ["ab"], True),
    ],
)
def test_chunks_of_several_steps_may_interleave_but_not_overtake(stored, groups, is_in_order):
    assert is_interleaving(stored, groups) is is_in_order


@pytest.mark.parametrize(
    ("stored", "moved"), [("abcd", 0), ("bacd", 1), ("dabc", 1), ("dcba", 3), ("aabc", None)]
)
def test_as_few_chunks_as_can_be_have_moved(stored, moved):
    assert truth(stored).moved == moved


def test_what_is_found_and_is_not_so_is_wrong_and_so_is_what_is_missing():
    finding = Finding("out_of_order", "error", "proved", "step_1", "moved", {"moved": 1}, 1)

    def wrong(stored, *found):
        return judged(truth(stored), found).wrong

    assert wrong("acbd", finding) == [] == wrong("abcd")
    assert wrong("abcd", finding)[0] == "strm_1_user: out_of_order, which is not so: moved"
    assert wrong("acbd") == ["strm_1_user: missing out_of_order"]
    assert "the fewest are 3" in wrong("dcba", finding)[0]
    assert "suspected" in wrong("acbd", replace(finding, certainty="suspected"))[0]


def test_a_rejection_laid_to_another_step_is_wrong():
    refused = Refused(False, ("d",), frozenset({"step_1"}))
    stream = replace(truth("abc"), refused=[refused], meant={("step_1", 1): list("abcd")})
    lost = Finding("chunk_lost", "error", "proved", "step_1", "", {"chunks": 1}, 0)

    def wrong(step):
        evidence = {"calls": 1, "lost": {"chunks": 1}, "steps": [{"step_id": step}]}
        return judged(
            stream, [lost, Finding("write_rejected", "error", "proved", step, "", evidence, 0)]
        ).wrong

    assert wrong("step_1") == []
    assert "of which nothing was refused" in wrong("step_2")[-1]


def test_on_postgresql_it_is_wrong_not_to_prove_what_the_apps_own_live_reader_got():
    stream = replace(truth("abcd"), name="strm_1_user")
    reading = {"namespace": "default", "ended": "closed", "error": None}
    live, later = {**reading, "items": ["a", "c", "d"]}, {**reading, "items": ["a", "b", "c", "d"]}
    finding = Finding("live_reader_diverges", "error", "proved", "", "", {}, 1)

    def wrong(live, found):
        result = {"runId": "wrun_1", "live": [live], "replay": [later]}
        told = Told({"a_clean": result}, [], [], [], None, {})
        (verdict,) = judge(
            "4.8.9", SETUPS["postgres"], told, {stream.name: stream}, {stream.name: found}
        ).values()
        return verdict.wrong

    assert wrong(live, [finding]) == [] == wrong(later, [])
    assert "missing live_reader_diverges" in wrong(live, [])[0]
    assert "which is not so" in wrong(later, [finding])[0]
    assert "suspected" in wrong(live, [replace(finding, certainty="suspected")])[0]


def truth(stored):
    meant = {("step_1", 1): list("abcd")}
    return StreamTruth("strm_1_user", "a_clean", "wrun_1", meant, frozenset(), list(stored), 0, 1, [], False)


def judged(stream, found):
    told = Told({"a_clean": {}}, [], [], [], None, {})
    (verdict,) = judge("4.8.9", SETUPS["plain"], told, {stream.name: stream}, {stream.name: found}).values()
    return verdict
