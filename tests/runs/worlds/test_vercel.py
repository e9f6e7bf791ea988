"""Reading a Vercel project, filled with what the real client of two versions has sent."""

from __future__ import annotations

import base64
import json
from collections import Counter

import pytest

from dashboard.anomalies.survey import survey_of
from runs.observations import (
    ChunkSeen,
    EventSeen,
    HookSeen,
    RunSeen,
    StepSeen,
    StreamListSeen,
    StreamSeen,
    WaitSeen,
)
from runs.payloads import RunKey, decode_chunk
from runs.worlds import _vercel_state
from runs.worlds.base import KEPT_WHOLE, TERMINAL, WORLDS, Seen, WorldError
from runs.worlds.vercel import VercelWorld
from streams.seen import remember
from tests.runs.worlds.read_vercel import of, opened, read
from tests.vercel_worlds import ALL, VERCEL, VercelServer, chunks_of, recorded


@pytest.fixture(autouse=True)
def nothing_known():
    _vercel_state.forget()


@pytest.fixture
def server():
    with VercelServer(recorded("vercel-5.0.0-beta.50")) as running:
        yield running


# --- what is read ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("version", ALL)
def test_it_reads_what_the_real_client_has_written(version):
    store = recorded(f"vercel-{version}")
    with VercelServer(store) as server, opened(server) as world:
        survey = survey_of(world)

    assert survey.unreadable == {}
    assert {run.run_id: run.status for run in survey.runs.values()} == {
        run_id: run["status"] for run_id, run in store.runs.items()
    }
    assert survey.steps == set(store.steps)
    assert survey.events == {(run, one["eventId"]) for run, log in store.events.items() for one in log}
    for name, chunks, is_closed in chunks_of(store):
        kept = sorted(survey.chunks.get(name, {}).values(), key=lambda one: one.chunk_id)
        assert [one.data for one in kept if not one.is_close] == chunks
        assert any(one.is_close for one in kept) is is_closed


@pytest.mark.parametrize("versions", [{"v2"}, {"v3"}, {"v3", "v4"}])
def test_it_finds_out_which_api_lists_events_and_gets_the_same_from_each(server, versions):
    with opened(server) as world:
        expected = of(EventSeen, read(world))
    _vercel_state.forget()
    server.versions = versions

    with opened(server) as world:
        found = of(EventSeen, read(world))
        fact = next(fact.value for fact in world.facts() if fact.label == "server")

    assert [(one.event_id, one.type, one.created_ns) for one in found] == [
        (one.event_id, one.type, one.created_ns) for one in expected
    ]
    assert [json.loads(one.data[4:]) for one in found if one.data] == [
        json.loads(one.data[4:]) for one in expected if one.data
    ]
    assert fact.endswith(max(versions))


def test_a_run_has_its_workflow_times_versions_and_values(server):
    with opened(server) as world:
        found = read(world)

    run = next(one for one in of(RunSeen, found) if one.status == "failed")
    row = server.store.runs[run.run_id]
    assert (run.workflow, run.deployment, run.spec_version) == (row["workflowName"], row["deploymentId"], 7)
    assert run.created_ns and run.completed_ns and run.completed_ns >= run.created_ns
    assert run.input == row["input"]
    assert run.language == "js"


def test_waits_and_hooks_come_from_the_events_since_the_server_deletes_their_rows(server):
    server.store.hooks.clear()
    server.store.waits.clear()

    with opened(server) as world:
        found = read(world)

    assert len(of(HookSeen, found)) == 1
    assert of(HookSeen, found)[0].token
    waits = {one.wait_id: one for one in of(WaitSeen, found)}
    assert sorted(one.status for one in waits.values()) == ["completed", "waiting"]
    done = next(one for one in waits.values() if one.status == "completed")
    assert done.created_ns and done.resume_ns and done.completed_ns


def test_chunks_are_in_the_servers_order_and_only_their_arrival_has_a_time(server):
    with opened(server) as world:
        found = read(world)

    (long, _count), *_ = Counter(one.stream for one in of(ChunkSeen, found)).most_common()
    chunks = [one for one in of(ChunkSeen, found) if one.stream == long]
    assert len(chunks) == 1504, "1503 chunks and the end"
    assert [one.chunk_id for one in chunks] == sorted(one.chunk_id for one in chunks)
    assert [one.is_close for one in chunks].index(True) == 1503
    assert {one.minted_ms for one in chunks} == {None}
    assert all(one.stored_ns <= one.observed_ns for one in chunks)


def test_nothing_seems_to_be_stored_after_the_end_of_its_run(server):
    with opened(server) as world:
        found = read(world)

    ended = {one.run_id: one.completed_ns for one in of(RunSeen, found) if one.status in TERMINAL}
    owner = {one.name: one.run_id for one in of(StreamSeen, found)}
    bounded = [one for one in of(ChunkSeen, found) if owner[one.stream] in ended]
    assert bounded
    assert all(one.stored_ns <= ended[owner[one.stream]] for one in bounded)


def test_the_lists_of_streams_are_kept_but_are_no_evidence(server):
    with opened(server) as world:
        found = read(world)

    assert all(one.listed for one in of(StreamSeen, found) if "_user" in one.name)
    assert of(StreamListSeen, found)
    assert VercelWorld.supplies == {"chunks"}, "who lists the streams is who stores them: nothing to compare"


def test_it_is_found_as_a_kind_of_world():
    assert WORLDS.found["vercel"] is VercelWorld
    assert VercelWorld.secret_variable == "TAILRACE_VERCEL_TOKEN"


# --- what is read again ---------------------------------------------------------------------------------
def test_what_has_ended_and_is_recorded_costs_nothing_more(server):
    seen = Seen()
    with opened(server) as world:
        read(world, seen)
        for run in server.store.runs.values():
            run["status"] = run["status"] if run["status"] in TERMINAL else "cancelled"
        read(world, seen)
        server.asked.clear()

        again = read(world, seen)

    assert again == []
    assert set(server.asked) == {"/v2/runs"}, "the lists of runs, no run"


def test_another_process_goes_on_from_what_is_recorded(server):
    seen = Seen()
    with opened(server) as world:
        read(world, seen)
    _vercel_state.forget()

    with opened(server) as world:
        again = read(world, seen)

    assert of(ChunkSeen, again) == []
    assert of(EventSeen, again) == []
    assert of(StepSeen, again) == []


def test_a_reading_that_was_broken_off_is_taken_up_again(server):
    seen = Seen()
    with opened(server) as world:
        first = next(iter(world.read(seen)))
        remember(seen, first)
    _vercel_state.forget()

    with opened(server) as world:
        rest = read(world, seen)

    chunks = [(one.stream, one.chunk_id) for one in of(ChunkSeen, [*first, *rest])]
    assert (
        len(chunks)
        == len(set(chunks))
        == sum(len(chunks) + is_closed for _, chunks, is_closed in chunks_of(server.store))
    )


def test_a_stream_is_read_on_from_its_last_page(server):
    run_id = _start(server.store)
    name = f"strm_{run_id[5:]}_user"
    server.store.commit(run_id, name, [b"%d" % number for number in range(1200)])
    seen = Seen()
    with opened(server) as world:
        read(world, seen)
        server.asked.clear()
        server.store.commit(run_id, name, [b"one more"])

        found = of(ChunkSeen, read(world, seen, frozenset({f"stream:{run_id}/{name}"})))

    assert [(one.chunk_id, one.data) for one in found] == [("chnk_000000001201", b"one more")]
    assert server.asked["/v2/runs/wrun/streams/strm/chunks"] == 1, "the last page alone"


def test_events_are_read_on_from_the_last_one(server):
    run_id = _start(server.store)
    seen = Seen()
    with opened(server) as world:
        read(world, seen)
        server.store.take(run_id, {"eventType": "run_completed", "specVersion": 3, "eventData": {}})

        found = read(world, seen, frozenset({"runs"}))

    assert [one.type for one in of(EventSeen, found)] == ["run_completed"]
    assert of(RunSeen, found)[-1].status == "completed"


def test_an_end_comes_behind_the_chunks_that_were_there(server):
    run_id = _start(server.store)
    name = f"strm_{run_id[5:]}_user"
    server.store.commit(run_id, name, [b"a", b"b"])
    seen = Seen()
    with opened(server) as world:
        read(world, seen)
        server.store.commit(run_id, name, None)
        found = of(ChunkSeen, read(world, seen))
        assert [(one.chunk_id, one.is_close) for one in found] == [("chnk_000000000002_close", True)]

        assert of(ChunkSeen, read(world, seen)) == [], "once"


def test_an_empty_stream_can_be_closed(server):
    run_id = _start(server.store)
    server.store.commit(run_id, f"strm_{run_id[5:]}_user", None)

    with opened(server) as world:
        found = of(ChunkSeen, read(world))

    assert [one.chunk_id for one in found if run_id[5:] in one.stream] == ["chnk_000000000000_close"]


def test_only_the_newest_runs_are_read_and_all_that_go_on(server):
    old = min(server.store.runs)
    server.store.runs[old]["status"] = "running"

    with opened(server, runs=3) as world:
        found = {one.run_id for one in of(RunSeen, read(world))}

    going_on = {name for name, run in server.store.runs.items() if run["status"] not in TERMINAL}
    assert found == {*sorted(server.store.runs)[-3:], *going_on}
    assert old in found


def test_what_was_removed_on_purpose_is_not_read_again(server):
    run_id = max(name for name, run in server.store.runs.items() if run["status"] in TERMINAL)

    with opened(server) as world:
        found = read(world, Seen(pruned_runs={run_id}))

    assert run_id not in {one.run_id for one in of(RunSeen, found)}


def test_what_the_server_says_is_unmodified_is_not_sent_again(server):
    server.has_etags = True
    with opened(server) as world:
        first = read(world)
        assert server.unmodified == 0
        second = read(world)

    assert server.unmodified > 10
    assert [one for one in second if type(one) is EventSeen] == [
        one for one in first if type(one) is EventSeen
    ]


@pytest.mark.parametrize("versions", [{"v3"}, {"v4"}])
def test_answers_in_json_are_read_as_well(server, versions):
    server.versions = versions
    with opened(server) as world:
        expected = read(world)
    server.says_json = True
    with opened(server) as world:
        found = read(world)

    assert {(one.run_id, one.status, one.input, one.output) for one in of(RunSeen, found)} == {
        (one.run_id, one.status, one.input, one.output) for one in of(RunSeen, expected)
    }
    assert [(one.step_id, one.output) for one in of(StepSeen, found)] == [
        (one.step_id, one.output) for one in of(StepSeen, expected)
    ]
    assert [(one.event_id, one.type) for one in of(EventSeen, found)] == [
        (one.event_id, one.type) for one in of(EventSeen, expected)
    ]
    assert [one.data for one in of(ChunkSeen, found)] == [one.data for one in of(ChunkSeen, expected)]


# --- values ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize("versions", [{"v3"}, {"v3", "v4"}])
def test_values_behind_a_reference_are_fetched(server, versions):
    server.versions, server.inline_limit = versions, 8

    with opened(server) as world:
        found = read(world)

    run = next(one for one in of(RunSeen, found) if one.status == "failed")
    assert run.input == server.store.runs[run.run_id]["input"]
    assert server.asked["/v2/runs/wrun/refs"] > 0
    assert b"RemoteRef" not in b"".join(one.data or b"" for one in of(EventSeen, found))


def test_a_large_value_is_kept_as_its_head_and_fetched_whole_when_it_is_asked_for(server):
    run_id = _start(server.store)
    large = b"devl" + b'["x"]' * 300_000
    server.store.runs[run_id]["input"] = large
    server.store.commit(run_id, f"strm_{run_id[5:]}_user", [b"small", b"y" * (KEPT_WHOLE + 1)])

    with opened(server) as world:
        found = read(world)
        run = next(one for one in of(RunSeen, found) if one.run_id == run_id)
        chunk = next(one for one in of(ChunkSeen, found) if one.size > KEPT_WHOLE)
        about = json.loads(run.input[4:].partition(b"\n")[0])

        assert run.input.startswith(b"HEAD")
        assert world.fetch_payload(about["pointer"]) == large
        assert len(chunk.data) < chunk.size
        assert world.fetch_chunk(chunk.stream, chunk.chunk_id) == b"y" * (KEPT_WHOLE + 1)


@pytest.mark.parametrize(
    "pointer",
    ["", "runs/../x#input", "runs/wrun_1/2#input", "events/x#eventData", "secrets/a#b", "runs/a\0b#c"],
)
def test_no_other_place_can_be_fetched(server, pointer):
    with opened(server) as world, pytest.raises(WorldError, match=r"no value at such a place"):
        world.fetch_payload(pointer)
    assert not server.asked


@pytest.mark.parametrize("chunk_id", ["", "chnk_1", "chnk_000000000000", "chnk_000000000003_close", "../x"])
def test_no_chunk_of_another_name_can_be_fetched(server, chunk_id):
    with opened(server) as world, pytest.raises(WorldError, match="such a name"):
        world.fetch_chunk("strm_01M805XF6FD6QKARB3DAMCBC03_user", chunk_id)


# --- keys -----------------------------------------------------------------------------------------------
def test_the_key_of_a_run_opens_what_the_real_client_has_encrypted(server):
    for sample in json.loads((VERCEL / "vercel-encryption-samples.json").read_text()):
        run_id = sample["runId"]
        server.store.runs[run_id] = {"runId": run_id, "status": "completed", "deploymentId": "dpl_7"}
        server.keys[run_id] = base64.b64decode(sample["runKey"])
        with opened(server) as world:
            key = world.run_key(run_id)
            assert world.run_key(run_id) == key

        assert key == base64.b64decode(sample["runKey"])
        opened_chunk = decode_chunk(base64.b64decode(sample["chunk"]), key=RunKey(key))
        assert [value.status for value in opened_chunk.values] == ["ok"]
        assert server.asked["/run-key/dpl_7"] == 1, "asked once, kept in memory"
        server.asked.clear()


def test_a_run_without_a_key_is_not_encrypted(server):
    with opened(server) as world:
        assert world.run_key(max(server.store.runs)) is None


def test_a_key_that_is_none_is_an_error_that_does_not_show_it(server):
    server.keys[max(server.store.runs)] = b"short secret"
    with opened(server) as world, pytest.raises(WorldError, match="no key") as told:
        world.run_key(max(server.store.runs))
    assert "secret" not in str(told.value)


def _start(store, run_id="wrun_01M90000000000000000000000"):
    about = {"eventData": {"workflowName": "workflow//./a//b", "input": b"devl[[]]"}, "specVersion": 3}
    store.take(run_id, {"eventType": "run_created", **about})
    store.take(run_id, {"eventType": "run_started", "specVersion": 3})
    return run_id
