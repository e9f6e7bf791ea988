"""What static/probe/tailrace-probe.cjs reports of writes, steps and errors, and of what it warns."""

from __future__ import annotations

import hashlib

import pytest

from tests.probe.apps import RUN, app, orders, run


def test_the_first_batch_says_who_reports(intake):
    app(intake, "natural", TAILRACE_WORLD_NAME="shop", NODE_ENV="test")

    first = intake.batches[0]
    assert (first["v"], first["number"], first["world"], first["ending"]) == (1, 1, "shop", False)
    assert {key: first["app"][key] for key in ("probe", "language", "exact", "env", "sdk")} == {
        "probe": "1",
        "language": "js",
        "exact": True,
        "env": "test",
        "sdk": "",
    }
    assert first["app"]["world"].endswith("worlds.cjs")
    assert intake.batches[-1]["ending"] is True
    assert "Authorization" not in intake.requests[0]


def test_a_token_takes_the_place_of_the_world(intake):
    app(intake, "natural", TAILRACE_WORLD_NAME="shop", TAILRACE_TOKEN="tok_1")

    assert intake.requests[0]["Authorization"] == "Bearer tok_1"
    assert "world" not in intake.batches[0]


def test_writes_carry_sizes_and_hashes_of_the_very_bytes(intake):
    app(intake, "bytes")

    (write,) = intake.of("write")
    assert (write["op"], write["stream"], write["run"], write["ok"]) == ("write", "multi", RUN, True)
    bodies = ["héllo".encode(), "héllo".encode(), bytes(70_000)]
    assert [(chunk["size"], chunk["hash"]) for chunk in write["chunks"]] == [
        (len(body), hashlib.sha256(body).hexdigest()[:16]) for body in bodies
    ]
    assert not any("data" in chunk for chunk in write["chunks"])


def test_payloads_are_sent_when_asked_for_up_to_64_kb(intake):
    app(intake, "bytes", TAILRACE_PAYLOADS="1")

    (write,) = intake.of("write")
    assert [chunk.get("data") for chunk in write["chunks"]] == ["aMOpbGxv", "aMOpbGxv", None]


def test_a_write_that_is_neither_text_nor_bytes_is_reported_too(intake):
    app(intake, "odd")

    assert [chunk["size"] for chunk in intake.of("write")[0]["chunks"]] == [0]


def test_racing_writers_overlap_and_their_order_is_known(intake):
    app(intake, "race")

    writes = intake.of("write")
    assert orders(writes) == [(1, 1), (2, 2), (3, 3)]
    assert [write.get("overlaps") for write in writes] == [None, [1], [1, 2]]
    assert {write["acquired"] for write in writes} == {3}
    step = {"id": "step_emitStream", "name": "step//./workflows/chat//emitStream", "attempt": 1}
    assert all(write["step"] == {**step, "known": "exact"} for write in writes)


def test_without_exact_mode_the_context_still_tells_of_the_race(intake):
    app(intake, "race", NODE_ENV="production")

    writes = intake.of("write")
    assert [write.get("overlaps") for write in writes] == [None, [1], [1, 2]]
    assert {write["step"]["known"] for write in writes} == {"context"}
    assert not any("pair" in chunk for write in writes for chunk in write["chunks"])


@pytest.mark.parametrize(("scenario", "world"), [("tidy", "flat"), ("front", "streams")])
def test_one_writer_has_one_pair_its_close_too_and_no_overlap(intake, scenario, world):
    app(intake, scenario, FAKE_WORLD=world)

    *writes, close = intake.of("write")
    assert orders(writes) == [(1, 1), (1, 2), (1, 3)]
    assert (close["op"], close["pair"], close["step"]["known"], close["chunks"]) == ("close", 1, "exact", [])
    assert not any("overlaps" in write for write in [*writes, close])


@pytest.mark.parametrize("scenario", ["attempts", "parallel"])
def test_steps_and_attempts_that_write_at_once_do_not_race(intake, scenario):
    done = app(intake, scenario)

    assert len(intake.of("write")) >= 5
    assert not any("overlaps" in write for write in intake.of("write"))
    assert "[tailrace]" not in done.stderr


@pytest.mark.parametrize(("scenario", "world"), [("argument", "flat"), ("argument_front", "streams")])
def test_a_writable_among_the_arguments_is_attributed_to_the_step_that_writes(intake, scenario, world):
    app(intake, scenario, FAKE_WORLD=world)

    writes = intake.of("write")
    assert orders(writes) == [(1, 1), (1, 2)]
    assert {(write["step"]["id"], write["step"]["known"]) for write in writes} == {("step_takesIt", "exact")}
    assert not any("acquired" in write for write in writes)


def test_a_native_pipe_leaves_the_writable_known_and_the_order_not(intake):
    app(intake, "piped")

    writes = intake.of("write")[:-1]
    assert [chunk["pair"] for write in writes for chunk in write["chunks"]] == [1, 1]
    assert not any("order" in chunk for write in writes for chunk in write["chunks"])


@pytest.mark.parametrize(("scenario", "world"), [("rejected", "flat"), ("rejected_front", "streams")])
def test_chunks_behind_a_rejected_one_are_reported_as_unsent(intake, scenario, world):
    app(intake, scenario, FAKE_WORLD=world)

    (write,) = intake.of("write")
    assert (write["ok"], write["error"]["status"], orders([write])) == (False, 409, [(1, 1)])
    unsent = intake.of("unsent")
    assert orders(unsent) == [(1, 2), (1, 3), (1, 4)]
    assert {(record["stream"], record["run"], record["step"]["id"]) for record in unsent} == {
        ("reject_user", RUN, "step_losesIt")
    }
    assert "rejected" in unsent[0]["why"]


def test_what_is_still_on_its_way_at_the_end_is_reported(intake):
    run(intake, "app.cjs", "exit_unsent", SLOW_MS="5000")

    (write,) = intake.of("write")
    assert (write["ok"], "took" in write) == (None, False)
    (unsent,) = intake.of("unsent")
    assert orders([unsent]) == [(1, 2), (1, 3)]
    assert "ended" in unsent["why"]


def test_nothing_is_unsent_where_all_was_sent(intake):
    app(intake, "tidy")

    assert intake.of("unsent") == []


def test_the_only_running_step_is_inferred_where_there_is_no_context(intake):
    app(intake, "inferred")

    alone, value, two, again, later = intake.of("write")
    assert alone["step"] == {"id": "step_1", "name": "step//x//only", "attempt": 2, "known": "inferred"}
    assert "step" not in two
    assert again["step"]["id"] == "step_2"
    assert value["step"] == later["step"] == alone["step"], "a stream that is a value stays with its step"
    events = intake.of("event")
    assert [event["event"] for event in events] == ["step_started", "step_started", "step_completed"]
    assert (events[0]["run"], events[0]["id"], events[0]["attempt"], events[0]["ok"]) == (
        RUN,
        "step_1",
        2,
        True,
    )


def test_a_write_session_gives_writer_and_group(intake):
    app(intake, "sessions", FAKE_WORLD="session")

    write, close = intake.of("write")
    assert (write["writer"], write["group"], len(write["chunks"])) == ("wrtr_1", 0, 2)
    assert (close["writer"], close["op"], "group" in close) == ("wrtr_1", "close", False)
    assert write["step"]["known"] == "context"


def test_an_unhandled_rejection_leads_to_the_write_that_failed(intake):
    run(intake, "app.cjs", "wrapped_rejection")

    (error,) = intake.of("error")
    (write,) = intake.of("write")
    assert (error["kind"], error["message"]) == ("unhandled_rejection", "the step failed")
    assert (error["write"], error["run"]) == (write["n"], RUN)


@pytest.mark.parametrize("scenario", ["handled", "other_rejection"])
def test_other_rejections_are_not_reported(intake, scenario):
    run(intake, "app.cjs", scenario)

    assert len(intake.of("write")) == 1
    assert intake.of("error") == []


def test_warnings_and_the_sdks_log_are_reported_when_a_stream_failed(intake):
    app(intake, "warning")
    app(intake, "log")

    errors = [(error["kind"], error.get("run"), error.get("step")) for error in intake.of("error")]
    assert errors == [
        ("warning", None, None),
        ("log", RUN, {"id": "step_9"}),
        ("log", RUN, None),
    ]
    assert "HTTP 409" in intake.of("error")[1]["message"]


def test_it_warns_once_of_a_step_whose_writers_race(intake):
    said = app(intake, "race_twice").stderr

    assert said.count("[tailrace]") == 1
    assert 'step "emitStream" (workflow "chatTurn")' in said
    assert "slow_user" in said
    assert "Call getWritable() once per step" in said
    assert app(intake, "race_two").stderr.count("[tailrace]") == 2


@pytest.mark.parametrize("env", [{"NODE_ENV": "production"}, {"TAILRACE_QUIET": "1"}])
def test_it_does_not_warn_in_production_or_when_told_to_be_quiet(intake, env):
    assert "[tailrace]" not in app(intake, "race", **env).stderr
    assert any("overlaps" in write for write in intake.of("write"))
