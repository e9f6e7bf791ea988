"""What a server, or the way to it, can do to a reader: said in a sentence, survived, and nothing lost by it."""

from __future__ import annotations

import logging

import pytest

from runs.observations import ChunkSeen, ReadableAgain, RunSeen, Unreadable
from runs.worlds import _vercel_client, _vercel_state
from runs.worlds.base import Seen, WorldError
from runs.worlds.vercel import VercelWorld
from streams.seen import remember
from tests.processes import free_port
from tests.runs.worlds.read_vercel import of, opened, read
from tests.vercel_worlds import VercelServer, recorded


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch):
    _vercel_state.forget()
    monkeypatch.setattr(_vercel_client, "PAUSE_S", 0.001)


@pytest.fixture
def server():
    with VercelServer(recorded("vercel-4.1.2")) as running:
        yield running


def _go_on(server):
    """As if the pause that was asked for were over."""
    for state in _vercel_state._states.values():
        state.pacer._not_before = 0.0
        state.pacer._refused.clear()


# --- the whole project ----------------------------------------------------------------------------------
@pytest.mark.parametrize("status", [401, 403])
def test_a_token_that_is_refused_is_said_and_not_shown(server, status, caplog):
    caplog.set_level(logging.DEBUG)
    server.fail(status, times=9)
    with (
        opened(server) as world,
        pytest.raises(WorldError, match=rf"the token was refused .* \({status}\)") as told,
    ):
        read(world)

    assert told.value.permanent
    assert server.token not in str(told.value) + repr(told.value) + caplog.text


def test_a_refused_token_is_not_tried_again_at_once_and_a_new_one_is(server):
    seen = Seen()
    server.token = "the new one"
    with opened(server, token="the old one".replace(" ", "_")) as world, pytest.raises(WorldError):
        read(world, seen)
    asked = sum(server.asked.values())

    with opened(server, token="the_old_one") as world, pytest.raises(WorldError, match="refused"):
        read(world, seen)
    assert sum(server.asked.values()) == asked

    server.token = "the_new_one"
    with opened(server, token="the_new_one") as world:
        assert len(of(RunSeen, read(world, seen))) >= 10


def test_without_a_token_nothing_is_asked(server):
    world = VercelWorld(server.location(), "")
    with pytest.raises(WorldError, match="TAILRACE_VERCEL_TOKEN") as told:
        read(world)
    assert told.value.permanent
    assert not server.asked


def test_a_project_that_is_not_there_is_said(server):
    server.fail(404, "/v2/runs", times=9)
    with (
        opened(server) as world,
        pytest.raises(WorldError, match="knows no project prj_lab of team team_lab") as told,
    ):
        read(world)
    assert told.value.permanent


@pytest.mark.parametrize("after", ["37", "Sun, 06 Nov 2044 08:49:37 GMT"])
def test_who_asks_for_a_pause_gets_it(server, after):
    server.fail(429, "/v2/runs", Retry_After=after)
    with opened(server) as world:
        with pytest.raises(WorldError, match=r"asked for fewer requests \(429\): nothing is asked before"):
            read(world)
        asked = sum(server.asked.values())
        with pytest.raises(WorldError, match="429"):
            read(world)
        assert sum(server.asked.values()) == asked == 1
        waiting = next(fact for fact in world.facts() if fact.label == "waiting")
        assert waiting.is_warning


def test_a_storm_of_429_loses_nothing(server):
    seen, found, storms = Seen(), [], 0
    for _ in range(12):
        server.fail(429, ["/events", "/chunks", "/steps", "/v2/runs"][storms % 4], Retry_After="1")
        with opened(server) as world:
            try:
                for batch in world.read(seen):
                    remember(seen, batch)
                    found += batch
            except WorldError as error:
                assert "429" in str(error)
                storms += 1
                _go_on(server)
    server.faults.clear()
    with opened(server) as world:
        found += read(world, seen)

    assert storms > 5
    assert len({(one.stream, one.chunk_id) for one in of(ChunkSeen, found)}) == 1528 + _closed(server)


def test_a_challenge_of_the_firewall_is_said(server):
    server.fail(403, "/v2/runs", x_vercel_mitigated="challenge")
    with opened(server) as world, pytest.raises(WorldError, match="firewall") as told:
        read(world)
    assert not told.value.permanent


def test_a_server_that_is_away_is_said_and_asked_less_and_less(server):
    location = server.location().replace(server.url, f"http://127.0.0.1:{free_port()}")
    world = VercelWorld(location, server.token)
    with pytest.raises(WorldError, match="cannot be reached") as told:
        read(world)
    assert not told.value.permanent
    assert world._state.pacer.paused_s() > 0


def test_a_redirect_is_not_followed(server):
    server.fail(307, "/v2/runs", Location="https://example.com/")
    with opened(server) as world, pytest.raises(WorldError, match=r"redirect \(307\), which is not followed"):
        read(world)


def test_a_server_that_only_fails_is_said(server):
    server.fail(500, times=99)
    with (
        opened(server) as world,
        pytest.raises(WorldError, match=r"the list of runs cannot be read: .* 500") as told,
    ):
        read(world)
    assert server.token not in str(told.value), "the stand-in quotes it"


def test_a_server_that_fails_for_one_run_after_the_other_is_no_matter_of_the_runs(server):
    server.fail(503, "/events", times=99)
    with opened(server) as world, pytest.raises(WorldError, match="503"):
        read(world)


# --- one thing ------------------------------------------------------------------------------------------
def test_one_500_is_asked_again(server):
    server.fail(500, "/events")
    with opened(server) as world:
        found = read(world)
    assert of(Unreadable, found) == []


def test_a_connection_that_is_cut_is_made_again(server):
    for where in ("/v2/runs", "/events", "/chunks", "/streams"):
        server.cut(where)
    with opened(server) as world:
        found = read(world)

    assert of(Unreadable, found) == []
    assert len(of(ChunkSeen, found)) == 1528 + _closed(server)


@pytest.mark.parametrize(
    ("where", "body", "reason"),
    [
        ("/events", b"\0\0\0\x05\xa1", "cut off"),
        ("/events", b"", "cut off"),
        ("/events", b"\0\0\0\x01\xa0\0\0\0\0", "cut off"),
        ("/events", b"\0\0\0\x09\xa1\x66_error\x01\0\0\0\0", "error"),
        ("/chunks", b"\x9f\x9f", "no CBOR"),
        ("/chunks", b"\x80", "the page of chunks is none"),
        ("/chunks", b"\xa1\x64data\x81\xa1\x65index\x00", "a chunk without bytes"),
        ("/steps", b"\xff", "no CBOR"),
    ],
)  # fmt: skip
def test_one_bad_answer_is_told_and_stops_nothing_else(server, where, body, reason):
    seen = Seen()
    server.say(where, body, times=1)
    with opened(server) as world:
        found = read(world, seen)
        (bad,) = of(Unreadable, found)
        assert reason in bad.reason
        assert len({one.run_id for one in of(RunSeen, found)}) == 10

        again = read(world, seen)

    assert of(ReadableAgain, again) == [ReadableAgain(bad.where)]
    chunks = {(one.stream, one.chunk_id) for one in of(ChunkSeen, [*found, *again])}
    assert len(chunks) == 1528 + _closed(server)


def test_a_run_of_an_odd_name_is_passed_over(server):
    server.store.runs["wrun/../x"] = {"runId": "wrun/../x", "status": "running"}
    with opened(server) as world:
        found = read(world)
    assert "wrun/../x" not in {one.run_id for one in of(RunSeen, found)}
    assert len({one.run_id for one in of(RunSeen, found)}) == 10


def test_a_run_of_odd_fields_is_told_as_far_as_it_goes(server):
    name = max(server.store.runs)
    server.store.runs[name] |= {
        "workflowName": 7, "input": [1, {"a": b"b"}], "createdAt": "soon", "attributes": [], "executionContext": "x",
        "error": float("nan"), "specVersion": -1, "somethingNew": {"a": 1},
    }  # fmt: skip
    with opened(server) as world:
        run = next(one for one in of(RunSeen, read(world)) if one.run_id == name)
    assert (run.workflow, run.created_ns, run.spec_version, run.attributes) == ("", None, None, {})
    assert run.input and run.input.startswith(b"JSON")


def test_a_run_without_any_time_is_told_once(server):
    name = max(name for name, run in server.store.runs.items() if run["status"] == "completed")
    for field in ("createdAt", "updatedAt", "startedAt", "completedAt"):
        server.store.runs[name].pop(field, None)
    seen = Seen()
    with opened(server) as world:
        assert [one.status for one in of(RunSeen, read(world, seen)) if one.run_id == name][-1] == "completed"
        assert name not in {one.run_id for one in of(RunSeen, read(world, seen))}


def test_what_was_removed_for_its_age_is_marked_so(server):
    name = next(name for (run, name), stream in server.store.streams.items() if stream.end)
    server.fail(410, f"{name}/chunks", times=9)
    with opened(server) as world:
        found = read(world)

    (gone,) = [one for one in of(ChunkSeen, found) if one.stream == name]
    assert (gone.chunk_id, gone.is_close) == ("chnk_" + "0" * 26, True)
    assert of(Unreadable, found) == []


def test_an_answer_that_is_too_large_is_asked_for_in_pieces(server, monkeypatch):
    monkeypatch.setattr(_vercel_client, "ANSWER_MAX", 12_000)
    with opened(server) as world:
        found = read(world)
    assert len(of(ChunkSeen, found)) == 1528 + _closed(server)
    assert of(Unreadable, found) == []


# --- trying a world -------------------------------------------------------------------------------------
def test_a_check_tries_one_thing_after_the_other(server):
    with opened(server) as world:
        checks = list(world.check())
    assert [(one.name, one.ok) for one in checks] == [
        ("token", True),
        ("runs", True),
        ("steps", True),
        ("streams", True),
    ]


def test_a_check_ends_where_nothing_can_be_read(server):
    server.fail(401, times=9)
    with opened(server) as world:
        checks = list(world.check())
    assert [(one.name, one.ok) for one in checks] == [("token", True), ("runs", False)]
    assert "refused" in checks[-1].message


def test_facts_say_what_this_world_cannot_tell(server):
    with opened(server) as world:
        read(world)
        facts = {fact.label: fact for fact in world.facts()}
    assert "when Tailrace saw them" in facts["times of chunks"].value
    assert "the probe" in facts["writers and refused writes"].hint
    assert facts["environment"].value == "production"
    assert facts["requests"].value == f"{sum(server.asked.values())} in the last minute, 100000 at the most"


def _closed(server):
    return sum(stream.end is not None for stream in server.store.streams.values())
