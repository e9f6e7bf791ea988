from __future__ import annotations

from dataclasses import replace

import pytest

from dashboard.anomalies import survey as module
from dashboard.anomalies.survey import Survey, survey_of
from dashboard.lib.clock import NS_PER_S
from runs.observations import EventSeen, Observation, StepSeen, StreamSeen, Unreadable
from streams.facts import Attempt
from streams.order import PURGED
from tests.dashboard.anomalies.worlds import (
    FakeWorld,
    chunk_seen,
    chunks_seen,
    end_seen,
    list_seen,
    run_seen,
)
from tests.examples import NOW_NS, RUN_ID, STREAM, devalue

OTHER = "strm_" + "2" * 26 + "_user"


def survey(*observations: Observation) -> Survey:
    return survey_of(FakeWorld(*observations))


def test_it_counts_what_is_there():
    step = StepSeen(RUN_ID, "step_1", "completed", "step", NOW_NS)
    found = survey(
        run_seen(), step, step, end_seen(), list_seen(STREAM, OTHER), *chunks_seen('"a" "b" close')
    )
    assert found.counts() == {"runs": 1, "steps": 1, "events": 1, "streams": 2, "chunks": 2}
    assert found.sdk_versions == ["4.8.9"]
    assert found.stream_names() == [STREAM, OTHER]


def test_it_numbers_positions_by_id_and_arrivals_by_stored_time():
    _, two, three, four = chunks_seen('"a" "b" close "late"')
    found = survey(chunk_seen(1, devalue("a"), stored=9), four, two, three)
    facts = list(found.chunk_facts(STREAM, ""))
    assert [chunk.plain for chunk in facts if not chunk.is_close] == ["a", "b", "late"]
    assert [chunk.arrival for chunk in facts] == [4, 1, 2, 3]
    assert [chunk.position for chunk in facts] == [0, 1, None, None]
    assert [chunk.is_behind for chunk in facts] == [False, False, False, True]


def test_a_stream_is_told_which_steps_its_run_had_and_when_they_were_tried():
    def event(number: int, kind: str) -> EventSeen:
        return EventSeen(RUN_ID, f"evnt_{number}", kind, NOW_NS, "step_1", NOW_NS + number)

    step = StepSeen(RUN_ID, "step_1", "completed", "emit", NOW_NS, started_ns=NOW_NS, completed_ns=NOW_NS + 9)
    other = replace(step, run_id="wrun_" + "2" * 26)
    log = [
        event(3, "step_started"),
        event(1, "step_started"),
        event(2, "step_retrying"),
        event(4, "step_started"),
    ]
    found = survey(run_seen(), step, other, *log, list_seen(), *chunks_seen('"a"')).stream_facts(STREAM)
    assert found.world == "fake" and found.run is not None
    (only,) = found.run.steps
    assert (only.name, only.completed_ns) == ("emit", NOW_NS + 9)
    assert only.attempts == (
        Attempt(NOW_NS + 1, False),
        Attempt(NOW_NS + 3, True),
        Attempt(NOW_NS + 4, False),
    )


def test_chunks_stored_at_the_same_time_arrive_by_id():
    found = survey(chunk_seen(2, devalue("b")), chunk_seen(1, devalue("a")))
    assert [chunk.arrival for chunk in found.chunk_facts(STREAM, "")] == [1, 2]


def test_it_keeps_small_payloads_and_fetches_the_others_only_when_they_are_read(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(module, "PAYLOAD_KEPT", 100)
    large = devalue("x" * 200)
    world = FakeWorld(chunk_seen(1, devalue("small")), chunk_seen(2, large))
    world.payloads[STREAM, f"chnk_{2:026}"] = large
    small, big = survey_of(world).chunk_facts(STREAM, "")
    assert small.plain == "small" and world.fetched == []
    assert big.plain == "x" * 200 and len(world.fetched) == 1


def test_it_never_holds_more_payload_than_it_may(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "PAYLOADS_KEPT", 40)
    world = FakeWorld(*(chunk_seen(number, devalue("twenty")) for number in range(1, 5)))
    world.payloads = {(STREAM, f"chnk_{number:026}"): devalue("again") for number in range(1, 5)}
    values = [chunk.plain for chunk in survey_of(world).chunk_facts(STREAM, "")]
    assert values == ["twenty", "twenty", "again", "again"]


def test_it_does_not_read_a_huge_chunk_again():
    world = FakeWorld(chunk_seen(1, b"the head", size=100 * 2**20))
    (chunk,) = survey_of(world).chunk_facts(STREAM, "")
    assert (chunk.load(), chunk.size, world.fetched) == (b"", 100 * 2**20, [])


def test_a_chunk_that_is_gone_meanwhile_is_said_to_be_unreadable():
    found = survey(chunk_seen(1, b"the head", size=2_000_000))
    (chunk,) = found.chunk_facts(STREAM, "")
    assert chunk.load() == b""
    assert list(found.unreadable.values()) == [f"chunk {chunk.chunk_id} is gone"]


def test_it_says_to_which_run_a_stream_belongs():
    alien = "strm_" + "3" * 26
    listed = list_seen(alien, STREAM, run_id="wrun_other")
    found = survey(
        run_seen(),
        StreamSeen(RUN_ID, STREAM, listed=False),
        StreamSeen("wrun_third", alien, listed=False),
        listed,
    )
    assert found.stream_facts(STREAM).run == module.RunFacts(RUN_ID, "flow", "completed", "4.8.9", NOW_NS)
    assert found.stream_facts(alien).run == module.RunFacts("wrun_other")
    assert found.stream_facts("strm_unknown").run is None


@pytest.mark.parametrize(
    ("observations", "status", "ended_ns"),
    [
        ([run_seen("running", completed_ns=None)], "running", None),
        ([run_seen("failed", completed_ns=5)], "failed", 5),
        ([run_seen("completed", completed_ns=None)], "completed", NOW_NS),
        ([end_seen("run_cancelled")], "cancelled", NOW_NS),
        ([run_seen("running", completed_ns=None), end_seen()], "running", None),
    ],
)
def test_it_knows_when_a_run_was_over(observations: list[Observation], status: str, ended_ns: int | None):
    link = StreamSeen(RUN_ID, STREAM, listed=False)
    run = survey(link, *observations).stream_facts(STREAM).run
    assert run is not None and (run.status, run.ended_ns) == (status, ended_ns)


def test_a_run_that_ended_during_the_look_counts_as_ended_at_its_beginning():
    found = survey(StreamSeen(RUN_ID, STREAM, listed=False), run_seen(completed_ns=NOW_NS + 50 * NS_PER_S))
    found.began_ns, found.ended_ns = NOW_NS, NOW_NS + 60 * NS_PER_S
    run = found.stream_facts(STREAM).run
    assert run is not None and run.ended_ns == NOW_NS


@pytest.mark.parametrize(
    ("observations", "listed"),
    [
        ([list_seen(STREAM)], True),
        ([StreamSeen(RUN_ID, STREAM, listed=True)], True),
        ([list_seen(OTHER)], False),
        ([], None),
        ([list_seen(OTHER, run_id="wrun_x"), Unreadable(f"streams/runs/{RUN_ID}.json", "truncated")], None),
    ],
)
def test_it_knows_whether_a_stream_is_listed(observations: list[Observation], listed: bool | None):
    link = StreamSeen(RUN_ID, STREAM, listed=False)
    assert survey(link, *chunks_seen('"a"'), *observations).stream_facts(STREAM).listed is listed


def test_it_knows_system_and_purged_streams():
    abort = "strm_" + "1" * 26 + "_system_abort"
    own = "strm_" + "1" * 26 + "_user_x_system_x"
    purged = chunk_seen(0, close=True)
    assert purged.chunk_id == PURGED
    found = survey(purged, *chunks_seen('"a"', stream=abort), *chunks_seen('"a"', stream=own))
    assert found.stream_facts(abort).is_system and not found.stream_facts(own).is_system
    assert found.stream_facts(STREAM).expired and not found.stream_facts(own).expired


@pytest.mark.parametrize(("expired_ns", "expected"), [(5, True), (2**62, False), (None, False)])
def test_a_run_purged_by_now_expires_its_streams(expired_ns: int | None, expected: bool):
    found = survey(StreamSeen(RUN_ID, STREAM, listed=False), replace(run_seen(), expired_ns=expired_ns))
    assert found.stream_facts(STREAM).expired is expected


def test_it_takes_the_framing_from_whichever_handle_states_it():
    found = survey(StreamSeen(RUN_ID, STREAM, False), StreamSeen(RUN_ID, STREAM, False, "framed-v1"))
    assert found.stream_facts(STREAM).framing == "framed-v1"


def test_a_name_in_a_payload_alone_is_no_stream():
    assert survey(StreamSeen(RUN_ID, STREAM, listed=False)).stream_names() == []
