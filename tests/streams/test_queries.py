"""Chunks by keyset, heads, and the list of streams."""

from __future__ import annotations

from dataclasses import asdict

import pytest
from django.db import connection

from streams import queries
from streams.models import Chunk, Stream
from tests.factories import (
    CLOSE_MARKER,
    MS,
    START_NS,
    make_chunks,
    make_run,
    make_stream,
    make_world,
    text_chunks,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def stream() -> Stream:
    stream = make_stream(make_world())
    make_chunks(stream, text_chunks(10))
    return stream


def arrivals(rows: list[queries.ChunkRow]) -> list[int]:
    return [row.arrival for row in rows]


def test_it_gives_the_rows_after_an_arrival_with_the_gap_to_the_one_before(stream):
    rows = queries.chunk_rows(stream.pk, 4, 3)
    assert arrivals(rows) == [5, 6, 7]
    assert [row.gap_ns for row in rows] == [10 * MS] * 3


def test_it_knows_no_gap_for_the_first_row_of_a_stream(stream):
    rows = queries.chunk_rows(stream.pk, 0, 2)
    assert arrivals(rows) == [1, 2]
    assert rows[0].gap_ns is None


def test_it_gives_nothing_after_the_end(stream):
    assert queries.chunk_rows(stream.pk, 10, 5) == []
    assert queries.chunk_rows(stream.pk, 99, 5) == []


def test_it_gives_the_rows_before_an_arrival_in_arrival_order(stream):
    rows = queries.chunk_rows_before(stream.pk, 5, 3)
    assert arrivals(rows) == [2, 3, 4]
    assert rows[0].gap_ns == 10 * MS
    assert arrivals(queries.chunk_rows_before(stream.pk, 3, 5)) == [1, 2]
    assert queries.chunk_rows_before(stream.pk, 3, 5)[0].gap_ns is None
    assert arrivals(queries.chunk_rows_before(stream.pk, None, 2)) == [9, 10]
    assert queries.chunk_rows_before(stream.pk, 1, 5) == []


def test_it_reads_only_the_head_of_a_large_payload_for_lists(stream):
    make_chunks(stream, [b"x" * 100_000])
    row = queries.chunk_rows(stream.pk, 10, 1)[0]
    assert (row.size, len(row.data)) == (100_000, queries.LIST_BYTES)


def test_it_gives_rows_that_changed_since_a_revision_by_keyset(stream):
    Chunk.objects.filter(stream=stream, arrival__in=[2, 3, 8]).update(revision=5)
    Chunk.objects.filter(stream=stream, arrival=4).update(revision=4)
    assert arrivals(queries.chunk_rows_changed(stream.pk, 10, 3)) == [4, 2, 3, 8]
    assert arrivals(queries.chunk_rows_changed(stream.pk, 7, 4)) == [2, 3]
    assert arrivals(queries.chunk_rows_changed(stream.pk, 10, 4, limit=2)) == [2, 3]
    assert arrivals(queries.chunk_rows_changed(stream.pk, 10, 5, limit=2, after_arrival=3)) == [8]
    assert queries.chunk_rows_changed(stream.pk, 10, 5) == []
    assert [row.gap_ns for row in queries.chunk_rows_changed(stream.pk, 3, 4)] == [10 * MS, 10 * MS]


def test_it_tells_the_head_of_a_stream_with_one_query(stream, django_assert_num_queries):
    make_chunks(stream, [CLOSE_MARKER, *text_chunks(2), CLOSE_MARKER])
    with django_assert_num_queries(1):
        head = queries.stream_head(stream.pk)
    assert asdict(head) == {
        "head": 14, "revision": 0, "chunk_count": 12, "close_count": 2, "behind_count": 2, "moved_count": 0,
        "bytes": stream.bytes, "ended": True, "trouble": "",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("close_count", "run_status", "expired", "ended"),
    [(1, "completed", False, True), (1, None, False, True), (0, None, True, True),
     (0, "completed", False, False), (1, "running", False, False), (0, None, False, False)],
)  # fmt: skip
def test_it_calls_a_stream_ended_when_nothing_more_is_expected(close_count, run_status, expired, ended):
    assert queries.has_ended(close_count, run_status, expired) is ended


def test_it_says_why_a_world_cannot_be_read(stream):
    stream.world.trouble = "no such directory"
    stream.world.save()
    assert queries.stream_head(stream.pk).trouble == "no such directory"
    assert queries.world_state("app") == (0, "no such directory")
    assert queries.world_state("other") is None


def test_it_finds_problems_on_both_sides_but_no_first_end_marker(stream):
    make_chunks(stream, [CLOSE_MARKER, *text_chunks(3)])
    assert queries.problem_after(stream.pk, 0) == 12
    assert queries.problem_after(stream.pk, 12) == 13
    assert queries.problem_after(stream.pk, 14) is None
    assert queries.problem_before(stream.pk, 13) == 12
    assert queries.problem_before(stream.pk, 12) is None


def test_it_finds_problems_by_their_own_index(stream):
    with connection.cursor() as cursor:
        found = Chunk.objects.filter(stream_id=stream.pk, marks__gte=queries.PROBLEM_FROM, arrival__gt=3)
        sql, params = found.order_by("arrival").values("arrival").query.sql_with_params()
        cursor.execute(f"EXPLAIN {'QUERY PLAN ' if connection.vendor == 'sqlite' else ''}{sql}", params)
        assert "SCAN" not in str(cursor.fetchall())


def test_it_finds_the_end_markers_of_runs():
    run = make_run(make_world())
    stream = make_stream(run.world, "s", run=run)
    make_chunks(stream, [*text_chunks(2), CLOSE_MARKER, *text_chunks(1), CLOSE_MARKER])
    make_chunks(make_stream(run.world, "of no run"), [CLOSE_MARKER])
    assert [row[3] - START_NS for row in queries.closes_of([run.pk], 10)] == [30 * MS, 50 * MS]
    assert queries.closes_of([], 10) == []
