from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import pytest

from dashboard.anomalies.detectors.base import DETECTORS, Detector, Found, NotChecked
from dashboard.anomalies.judge import StreamJudge
from streams.facts import ChunkFact, StreamFacts
from tests.examples import NOW_NS, STREAM, SUPPLIES, WITHOUT_A_PROBE, example, facts_of, values_of


class CountsChunks(Detector):
    kind: ClassVar = "counts_chunks"
    severity: ClassVar = "info"

    def __init__(self) -> None:
        self.count = 0

    def feed(self, chunk: ChunkFact) -> None:
        self.count += 1

    def finish(self, stream: StreamFacts, now_ns: int) -> Iterator[Found | NotChecked]:
        yield Found(self.kind, self.severity, "proved", f"{self.count} chunks", stream=stream.name)


class NeedsMoon(CountsChunks):
    kind: ClassVar = "needs_moon"
    needs: ClassVar = frozenset({"moon", "stream_list"})


class FailsOnFeed(CountsChunks):
    kind: ClassVar = "fails_on_feed"

    def feed(self, chunk: ChunkFact) -> None:
        raise ZeroDivisionError("on purpose")


class FailsHalfway(CountsChunks):
    kind: ClassVar = "fails_halfway"

    def finish(self, stream: StreamFacts, now_ns: int) -> Iterator[Found | NotChecked]:
        yield Found(self.kind, self.severity, "proved", "half a result")
        raise ZeroDivisionError("on purpose")


def fed(*detectors: type[Detector], line: str = "start text-start(t1)") -> StreamJudge:
    judge = StreamJudge(detectors)
    for chunk in facts_of(values_of(line)):
        judge.feed(chunk)
    return judge


def test_it_gathers_findings_unchecked_questions_and_moved_chunks():
    line = "run=completed ended=1s listed=no text-delta(t1) text-start(t1) close data-x -> nothing"
    verdict = example(line).verdict()
    assert [found.kind for found in verdict.found] == [
        "protocol_violation",
        "stream_unlisted",
        "write_after_close",
    ]
    assert [one.kind for one in verdict.unchecked] == WITHOUT_A_PROBE
    assert verdict.moved == {1: True}


def test_it_finds_nothing_on_a_clean_stream():
    verdict = example("run=completed start text-start(t1) text-end(t1) finish close -> nothing").verdict()
    assert (verdict.found, verdict.moved) == ([], {})
    assert [one.kind for one in verdict.unchecked] == WITHOUT_A_PROBE


def test_it_may_be_asked_again_after_more_chunks():
    judge = StreamJudge([CountsChunks])
    for expected, chunk in enumerate(facts_of(values_of("start finish close")), 1):
        judge.feed(chunk)
        for _ in range(2):
            (found,) = judge.judge(StreamFacts(STREAM), NOW_NS, SUPPLIES).found
            assert found.message == f"{expected} chunks"


def test_a_detector_whose_evidence_is_missing_is_not_asked():
    verdict = fed(NeedsMoon, CountsChunks).judge(StreamFacts(STREAM), NOW_NS, SUPPLIES)
    assert [found.kind for found in verdict.found] == ["counts_chunks"]
    assert verdict.unchecked == [
        NotChecked("needs_moon", "not checked here: this world does not supply moon")
    ]


@pytest.mark.parametrize("broken", [FailsOnFeed, FailsHalfway])
def test_a_detector_that_fails_is_said_and_the_others_go_on(broken: type[Detector]):
    verdict = fed(broken, CountsChunks, line="text-delta(t1) text-start(t1)").judge(
        StreamFacts(STREAM), NOW_NS, SUPPLIES
    )
    assert [found.kind for found in verdict.found] == ["counts_chunks"]
    (unchecked,) = verdict.unchecked
    assert (unchecked.kind, unchecked.stream) == (broken.kind, STREAM)
    assert unchecked.reason == f"{STREAM}: ZeroDivisionError: on purpose"
    assert verdict.moved == {1: True}


def test_a_payload_that_cannot_be_fetched_leaves_the_structural_detectors_alone():
    def gone() -> bytes:
        raise OSError("gone")

    chunks = list(facts_of(values_of('"text" close "late"')))
    chunks[0].load = gone
    judge = StreamJudge(DETECTORS.found.values())
    for chunk in chunks:
        judge.feed(chunk)
    verdict = judge.judge(StreamFacts(STREAM), NOW_NS, SUPPLIES)
    assert [found.kind for found in verdict.found] == ["write_after_close"]
    assert {one.kind for one in verdict.unchecked} >= {"protocol_violation", "moved"}
    assert verdict.moved == {}
