"""Values in a PostgreSQL world: CBOR, older JSON, large ones, and bytes that are none of it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import cbor2
import pytest

from runs.observations import ChunkSeen, EventSeen, ReadableAgain, RunSeen, Unreadable
from runs.worlds.base import HEAD_KEPT, KEPT_WHOLE, Seen, WorldError, digest_of
from runs.worlds.postgres import PostgresWorld
from tests.postgres_worlds import Writer, cbor, empty_world, stream_of
from tests.runs.worlds.conformance import all_of
from tests.runs.worlds.read_postgres import of, read

pytestmark = pytest.mark.postgres


@pytest.fixture
def url(postgres_database: str) -> str:
    empty_world(postgres_database)
    return postgres_database


@pytest.fixture
def writer(url: str) -> Iterator[Writer]:
    with Writer(url) as one:
        yield one


HOSTILE = {
    "cut": cbor(b"devl[1]")[:-3],
    "deep": b"\x81" * 100_000,
    "huge": b"\x5b" + b"\xff" * 8,
    "shared": b"\xd8\x1c\x81\xd8\x1d\x00",
    "number": b"\xc2\x59\xff\xff" + b"\xff" * 65535,
    "year": b"\xc1\xfb\x7f\xf0\x00\x00\x00\x00\x00\x00",
    "empty": b"",
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE.keys())
def test_bytes_that_are_no_value_are_told_with_their_place_and_stop_nothing(url, writer, data):
    run, good = writer.run(), writer.run()
    writer.connection.execute("UPDATE workflow.workflow_runs SET input_cbor = %s WHERE id = %s", (data, run))
    found = read(url)
    runs, bad = of(RunSeen, found), of(Unreadable, found)
    assert runs[run].status == "running" and runs[good].input == b'devl["in"]'
    if data == HOSTILE["number"]:  # a whole number, if a mad one: kept in words
        assert bad == {} and b"1,024 bits" in runs[run].input
        return
    assert list(bad) == [f"workflow_runs/{run}#input_cbor"] and runs[run].input is None
    assert bad[f"workflow_runs/{run}#input_cbor"].head == data[:4096]


def test_a_value_that_was_mended_is_readable_again(url, writer):
    run, seen = writer.run(), Seen()
    writer.connection.execute("UPDATE workflow.workflow_runs SET input_cbor = 'x' WHERE id = %s", (run,))
    world = PostgresWorld(url)
    assert len(of(Unreadable, all_of(world, seen))) == 1
    mended = (
        "UPDATE workflow.workflow_runs SET input_cbor = %s, updated_at = now() + interval '1 s' WHERE id = %s"
    )
    writer.connection.execute(mended.encode(), (cbor(b"devl[1]"), run))
    writer.event(run, "attr_set")
    again = all_of(world, seen)
    assert [one.where for one in again if isinstance(one, ReadableAgain)] == [
        f"workflow_runs/{run}#input_cbor"
    ]
    world.close()


def test_rows_without_a_usable_id_are_told_and_stop_nothing(url, writer):
    run = writer.run()
    writer.event("", "run_started")
    writer.chunk("../../etc", b"x", run_id=run)
    writer.chunk(stream_of(run), b"good")
    found = read(url)
    assert [one.data for one in of(ChunkSeen, found).values()] == [b"good"]
    assert any(where.startswith("workflow_stream_chunks/") for where in of(Unreadable, found))


def test_infinite_times_and_odd_values_are_no_error(url, writer):
    run = writer.run()
    odd = (
        "UPDATE workflow.workflow_runs SET started_at = 'infinity', completed_at = '-infinity',"
        " updated_at = '294276-01-01', spec_version = 'x' WHERE id = %s"
    )
    writer.connection.execute(odd.encode(), (run,))
    seen = of(RunSeen, read(url))[run]
    assert (seen.started_ns, seen.completed_ns, seen.spec_version) == (None, None, None)


def test_older_rows_keep_their_values_as_json(url, writer):
    run = writer.run()
    older = "UPDATE workflow.workflow_runs SET input_cbor = NULL, input = %s, error = %s WHERE id = %s"
    writer.connection.execute(older.encode(), (json.dumps({"a": [1, "é"]}), '{"message": "x"}', run))
    seen = of(RunSeen, read(url))[run]
    assert json.loads(seen.input[4:]) == {"a": [1, "é"]} and seen.input[:4] == b"JSON"
    assert json.loads(seen.error[4:]) == '{"message": "x"}'


def test_values_of_an_event_are_json_with_the_bytes_in_the_sdks_wrapper(url, writer):
    run = writer.run()
    tagged = cbor2.dumps(
        {"resumeAt": cbor2.CBORTag(1, 1795300304.035), "n": float("nan"), "u": cbor2.undefined}
    )
    insert = (
        "INSERT INTO workflow.workflow_events (id, type, run_id, payload_cbor) VALUES ('wevt_1', 'x', %s, %s)"
    )
    writer.connection.execute(insert.encode(), (run, tagged))
    writer.event(run, "step_completed", "step_1", {"result": b"devl[1]"})
    events = of(EventSeen, read(url))
    odd = json.loads(events["wevt_1"].data[4:])
    assert odd == {"resumeAt": "2026-11-21T22:31:44.035Z", "n": "nan"}
    wrapped = next(json.loads(one.data[4:]) for one in events.values() if one.type == "step_completed")
    assert wrapped == {"result": {"__type": "Uint8Array", "data": "ZGV2bFsxXQ=="}}


def test_a_large_chunk_comes_as_its_head_and_whole_when_it_is_asked_for(url, writer):
    run = writer.run()
    large, middling = b"ab" * KEPT_WHOLE, b"c" * 300_000
    ids = [writer.chunk(stream_of(run), data) for data in (large, middling)]
    world = PostgresWorld(url)
    chunks = of(ChunkSeen, all_of(world, Seen()))
    assert (len(chunks[ids[0]].data), chunks[ids[0]].size) == (HEAD_KEPT, len(large))
    assert chunks[ids[1]].data == middling
    whole = world.fetch_chunk(stream_of(run), ids[0])
    assert whole == large and chunks[ids[0]].digest == digest_of(whole)
    world.close()


def test_a_large_value_comes_as_its_head_and_whole_by_its_pointer(url, writer):
    run = writer.run()
    value = b'devl["' + b"x" * (KEPT_WHOLE + 10) + b'"]'
    writer.connection.execute(
        "UPDATE workflow.workflow_runs SET input_cbor = %s WHERE id = %s", (cbor(value), run)
    )
    world = PostgresWorld(url)
    stored = of(RunSeen, all_of(world, Seen()))[run].input
    about = json.loads(stored[4 : stored.index(b"\n")])
    assert stored[:4] == b"HEAD" and about["size"] == len(value)
    assert world.fetch_payload(about["pointer"]) == value
    with pytest.raises(WorldError):
        world.fetch_payload("workflow_runs/none#input_cbor")
    with pytest.raises(WorldError):
        world.fetch_payload("pg_authid/x#rolpassword")
    world.close()
