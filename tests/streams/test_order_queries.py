"""Which rows are read for the orders of a stream: all of a short one, a few around a chunk of a long one."""

from __future__ import annotations

from itertools import count

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from streams import order_queries
from streams.models import Chunk, Stream, Write, Writer
from streams.order import BEHIND, MOVED, MOVED_PROVED
from streams.order_queries import Looked, look, next_moved, scopes_of
from streams.orders import ARRIVAL, STORED, WRITER, Pair
from tests.factories import CLOSE_MARKER, START_NS, make_chunks, make_stream, make_world, text_chunks

pytestmark = pytest.mark.django_db
ALL_PAIRS: list[Pair] = [(WRITER, STORED), (ARRIVAL, STORED), (STORED, WRITER), (WRITER, ARRIVAL)]
_numbers = count(1)


def make_writer(stream: Stream, step_id: str = "step_1", **fields) -> Writer:
    key = f"p1 {step_id} {next(_numbers)}"
    scope = f"p1 {step_id} 1"
    defaults = {"known": "exact", "process": "p1", "step_id": step_id, "step_name": step_id, "attempt": 1}
    return Writer.objects.create(stream=stream, key=key, scope=scope, **(defaults | fields))


def a_write(stream: Stream, writer: Writer, number: int, arrival: int | None, **fields) -> Write:
    defaults = {
        "process": writer.process, "number": number, "place": 0, "outcome": "stored" if arrival else "lost",
        "called_ns": START_NS, "took_ns": 5, "arrival": arrival, "order": number, "sequence": number, "revision": 1,
    }  # fmt: skip
    return Write(stream=stream, writer=writer, **(defaults | fields))


def told_by(stream: Stream, writes: list[Write]) -> None:
    Write.objects.bulk_create(writes, batch_size=500)
    stream.write_revision = 1
    stream.save()


@pytest.fixture
def long_stream() -> Stream:
    """20,000 chunks of one writer, of which 10,001 and 10,003 changed places, and two writes that were lost."""
    stream = make_stream(make_world())
    payload = b"\x00" * 8
    chunks = [
        Chunk(
            stream=stream, arrival=at, chunk_id=f"chnk_{at:026d}", position=at - 1, is_close=False, revision=0,
            marks=MOVED_PROVED if at in {10_001, 10_003} else 0, size=8, data=payload, digest=payload, stored_ns=at,
            observed_ns=at, problem="",
        )
        for at in range(1, 20_001)
    ]  # fmt: skip
    Chunk.objects.bulk_create(chunks, batch_size=1000)
    stream.head = stream.chunk_count = 20_000
    stream.moved_count, stream.last_chunk_id = 2, chunks[-1].chunk_id
    writer = make_writer(stream)
    numbers = {10_001: 10_003, 10_003: 10_001}
    writes = [a_write(stream, writer, 2 * numbers.get(at, at), at) for at in range(1, 20_001)]
    told_by(stream, [*writes, a_write(stream, writer, 20_001, None), a_write(stream, writer, 101, None)])
    return stream


def test_a_short_stream_is_read_whole_in_stored_order():
    stream = make_stream(make_world())
    make_chunks(stream, [*text_chunks(3), CLOSE_MARKER], moved=(2,))
    writer = make_writer(stream)
    told_by(stream, [a_write(stream, writer, at, at) for at in (1, 2, 3)])

    looked = look(stream, (WRITER, STORED), 0)

    assert looked.is_whole and list(looked.chunks) == [1, 2, 3, 4]
    assert [one.marked for one in looked.placed] == ["", "suspected", "", ""]
    assert [(one.arrival, one.number[0], one.is_exact) for one in looked.told] == [
        (1, 1, True),
        (2, 2, True),
        (3, 3, True),
    ]


def test_without_the_writer_no_write_is_read():
    stream = make_stream(make_world())
    make_chunks(stream, text_chunks(3))
    told_by(stream, [a_write(stream, make_writer(stream), 1, 1)])

    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert look(stream, (ARRIVAL, STORED), 0).told == []
    assert len(queries) == 1


def test_what_was_lost_or_rejected_is_there_and_what_was_written_again_is_not():
    stream = make_stream(make_world())
    make_chunks(stream, text_chunks(1))
    writer = make_writer(stream)
    told_by(
        stream,
        [
            a_write(stream, writer, 1, None, outcome="rejected", order=5),
            a_write(stream, writer, 2, 1, order=5),
            a_write(stream, writer, 3, None, order=6),
            a_write(stream, writer, 4, None, order=7, outcome="unmatched"),
            a_write(stream, writer, 5, None, order=None, outcome="rejected", status=409),
        ],
    )

    looked = look(stream, (WRITER, STORED), 0)

    assert sorted((one.number, one.outcome) for one in looked.failed.values()) == [
        (3, "lost"),
        (5, "rejected"),
    ]


def test_the_order_of_calls_counts_for_data_of_known_steps_only():
    stream = make_stream(make_world())
    make_chunks(stream, [*text_chunks(2), CLOSE_MARKER])
    known, nobody = make_writer(stream), make_writer(stream, step_id="")
    told_by(
        stream,
        [
            a_write(stream, known, 1, 1, order=None, sequence=None),
            a_write(stream, nobody, 2, 2, order=None, sequence=None),
            a_write(stream, known, 3, 3, order=None, sequence=None, is_close=True),
        ],
    )

    looked = look(stream, (WRITER, STORED), 0)

    assert [(one.arrival, one.is_exact) for one in looked.told] == [(1, False)]
    assert len(scopes_of(looked.reports.values())) == 1


def plan(sql: str) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN QUERY PLAN " + sql)
        return [row[3] for row in cursor.fetchall()]


def test_a_long_stream_costs_a_few_bounded_questions_that_indexes_answer(long_stream):
    """SQLite's plans: every step is a search by an index, none a scan or a sort of all that was found."""
    for pair in ALL_PAIRS:
        with CaptureQueriesContext(connection) as queries:
            looked = look(long_stream, pair, 15_000)
        assert len(queries) <= 12, pair
        assert not looked.is_whole and 2 * order_queries.NEAR <= len(looked.chunks) <= 4 * order_queries.NEAR
        for query in queries.captured_queries:
            steps = plan(query["sql"])
            assert not [step for step in steps if step.startswith("SCAN") or "TEMP B-TREE" in step], steps
            assert "OFFSET" not in query["sql"].upper()


def test_around_a_chunk_of_a_long_stream_all_three_orders_are_there(long_stream):
    stored = look(long_stream, (ARRIVAL, STORED), 15_000)
    written = look(long_stream, (WRITER, STORED), 10_001)

    assert min(stored.chunks) == 15_000 - order_queries.NEAR and len(stored.chunks) == 2 * order_queries.NEAR
    assert {9_900, 10_001, 10_003, 10_100} <= written.chunks.keys() == written.reports.keys()
    assert [one.number for one in written.failed.values()] == [20_001]

    Write.objects.filter(stream=long_stream, arrival=15_000).update(number=401, order=401)

    far = look(long_stream, (WRITER, STORED), 15_000)
    assert {150, 200, 250, 14_900, 15_100} <= far.chunks.keys(), (
        "those it was written among, and stored among"
    )


def test_a_long_stream_begins_at_its_first_moved_chunk_and_never_behind_its_end(long_stream):
    assert look(long_stream, (ARRIVAL, STORED), 0).near == 10_001
    assert look(long_stream, (ARRIVAL, STORED), 10**15).near == 20_000


def test_the_next_moved_chunk_is_found_among_other_problems():
    stream = make_stream(make_world())
    make_chunks(stream, text_chunks(20), moved=(15,))
    Chunk.objects.filter(stream=stream, arrival__lte=10).update(marks=BEHIND)
    Chunk.objects.filter(stream=stream, arrival=18).update(marks=BEHIND | MOVED)

    assert [next_moved(stream, after) for after in (0, 15, 18)] == [15, 18, None]
    stream.moved_count = 0
    assert next_moved(stream, 0) is None


def test_of_very_many_other_problems_it_says_where_to_look_on(monkeypatch):
    monkeypatch.setattr(order_queries, "PROBLEMS", 5)
    stream = make_stream(make_world())
    make_chunks(stream, text_chunks(20), moved=(15,))
    Chunk.objects.filter(stream=stream, arrival__lte=10).update(marks=BEHIND)

    assert [next_moved(stream, after) for after in (0, 5, 10)] == [5, 10, 15]


def test_a_chunk_that_is_gone_is_nothing():
    stream = make_stream(make_world(), head=5_000, chunk_count=5_000)

    assert look(stream, (WRITER, STORED), 17) == Looked(False, 17)
