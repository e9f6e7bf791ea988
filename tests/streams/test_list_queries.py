"""Lists of streams: their order, their pages, and that indexes answer them."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from streams import list_queries
from streams.list_queries import StreamFilter, parse_stream_key, stream_list, streams_kept, verdict_counts
from streams.models import Stream
from streams.verdicts import Level
from tests.factories import START_NS, ULID, make_run, make_stream, make_world

pytestmark = pytest.mark.django_db
NOTHING = StreamFilter()
MANY = 20_000


def pages(world, wanted=NOTHING, **how):
    names, after = [], None
    while True:
        found = stream_list(world and world.pk, wanted, after, **how)
        names.append([stream.name for stream in found.streams])
        if found.older is None:
            return names
        after = parse_stream_key(str(found.older))


@pytest.fixture
def world(monkeypatch):
    monkeypatch.setattr(list_queries, "PAGE", 2)
    return make_world()


@pytest.fixture
def mixed(world):
    levels = {"warn": 60, "bad": 70, "old bad": 70, "fine": 0, "no chunk": 30, "worst": 80}
    for at, (name, level) in enumerate(levels.items()):
        stored = None if name == "no chunk" else START_NS - at
        make_stream(world, name, verdict=level, last_stored_ns=stored)
    make_stream(make_world("other"), "theirs", verdict=70, last_stored_ns=START_NS + 9)
    return world


def test_it_lists_the_worst_first_and_among_equals_the_newest(mixed):
    assert pages(mixed) == [["worst", "bad"], ["old bad", "warn"], ["no chunk", "fine"]]
    assert pages(None) == [["worst", "theirs"], ["bad", "old bad"], ["warn", "no chunk"], ["fine"]]


def test_it_lists_the_newest_first_and_those_without_a_chunk_last(mixed):
    assert pages(mixed, newest=True) == [["warn", "bad"], ["old bad", "fine"], ["worst", "no chunk"]]
    assert pages(None, newest=True)[0] == ["theirs", "warn"]


@pytest.mark.parametrize("newest", [False, True])
def test_it_keeps_streams_of_one_time_apart_by_their_id(world, newest):
    for at in range(5):
        make_stream(world, f"s{at}", last_stored_ns=START_NS)
    assert pages(world, newest=newest) == [["s4", "s3"], ["s2", "s1"], ["s0"]]


@pytest.mark.parametrize(
    "key", ["", "x", "1.2", "9" * 40, f"1.{'9' * 19}.1", "..", "1.2.3.4", "٣.٣.٣", "-1.2.3", "1.2.3 "]
)
def test_it_takes_no_other_text_for_a_key(key):
    assert parse_stream_key(key) is None
    assert str(parse_stream_key("70.12.3")) == "70.12.3"


def test_it_filters_by_verdict_workflow_namespace_time_and_text(world):
    run = make_run(world, "wrun_A", workflow="workflow//./w//chat")
    make_stream(world, f"strm_{ULID}_user_bWV0cmljcw", run=run, verdict=70, last_stored_ns=START_NS)
    make_stream(world, "other", verdict=60, last_stored_ns=START_NS + 100)
    first, second = f"strm_{ULID}_user_bWV0cmljcw", "other"
    for wanted, expected in [
        (StreamFilter(level=Level.ERROR), [first]),
        (StreamFilter(level=Level.CLEAN), []),
        (StreamFilter(workflow="workflow//./w//chat"), [first]),
        (StreamFilter(names=("_user_bWV0cmljcw",)), [first]),
        (StreamFilter(names=("_user_bWV0",)), []),
        (StreamFilter(since_ns=START_NS + 1), [second]),
        (StreamFilter(until_ns=START_NS + 1), [first]),
        (StreamFilter(text="WRUN_a"), [first]),
        (StreamFilter(text="OTH"), [second]),
        (StreamFilter(text="100%"), []),
    ]:
        for newest in (False, True):
            assert pages(world, wanted, newest=newest) == [expected], wanted


def test_it_hides_the_sdks_own_streams_where_nothing_is_wrong_with_them(world):
    make_stream(world, "own", is_system=True, verdict=Level.NONE_FOUND)
    make_stream(world, "own bad", is_system=True, verdict=Level.ERROR)
    assert pages(world) == [["own bad"]]
    assert pages(world, StreamFilter(own=True)) == [["own bad", "own"]]
    assert verdict_counts(world.pk, own=False)[Level.NONE_FOUND] == 0
    assert verdict_counts(world.pk, own=True)[Level.NONE_FOUND] == 1


def test_it_counts_each_verdict_up_to_a_bound(mixed, monkeypatch):
    counts = verdict_counts(mixed.pk, own=False)
    assert (counts[Level.ERROR], counts[Level.CRITICAL], counts[Level.SUSPECTED]) == (2, 1, 0)
    assert verdict_counts(None, own=False)[Level.ERROR] == 3
    monkeypatch.setattr(list_queries, "COUNTED", 2)
    assert verdict_counts(None, own=False)[Level.ERROR] == 2


def test_it_gives_the_rows_that_are_open_in_the_order_in_which_they_are_shown(mixed):
    ids = dict(Stream.objects.values_list("name", "pk"))
    wanted = [ids["fine"], ids["worst"], 999_999, ids["theirs"]]
    assert [stream.name for stream in streams_kept(mixed.pk, wanted)] == ["fine", "worst"]
    assert [stream.name for stream in streams_kept(None, wanted)] == ["fine", "worst", "theirs"]


def fill(world):
    """Tens of thousands of streams, most of them fine."""
    rows = [
        Stream(
            world=world,
            name=f"s{at}",
            seen_ns=1,
            last_stored_ns=START_NS + at,
            verdict=70 if at % 997 == 0 else 10,
        )
        for at in range(MANY)
    ]
    Stream.objects.bulk_create(rows, batch_size=5000)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def plans(queries):
    """How the database answers each of the questions about streams."""
    how = "EXPLAIN QUERY PLAN " if connection.vendor == "sqlite" else "EXPLAIN "
    with connection.cursor() as cursor:
        for query in queries:
            # To count 1,000 of one verdict PostgreSQL reads the table where nearly all have it: it stops as early.
            counts = "COUNT(" in query["sql"] and connection.vendor != "sqlite"
            if 'FROM "streams_stream"' in query["sql"] and not counts:
                cursor.execute(how + query["sql"].replace("%", "%%"))
                yield " / ".join(str(cell) for row in cursor.fetchall() for cell in row)


def ask_everything(world_id):
    middle = StreamFilter(since_ns=START_NS + MANY // 2)
    for newest in (False, True):
        for wanted in (NOTHING, middle, StreamFilter(level=Level.ERROR)):
            deep = stream_list(world_id, wanted, newest=newest).older
            stream_list(world_id, wanted, deep, newest=newest)
    verdict_counts(world_id, own=False)


@pytest.mark.parametrize("all_worlds", [False, True])
def test_indexes_answer_every_page_of_a_long_list_without_a_sort(all_worlds):
    world = make_world()
    fill(world)
    with CaptureQueriesContext(connection) as asked:
        ask_everything(None if all_worlds else world.pk)
    for plan in plans(asked.captured_queries):
        assert re.search(r"(?i)using (covering )?(index )?streams_(newest|worst)_of_(world|all)", plan), plan
        assert not re.search(
            r"SCAN streams_stream /|TEMP B-TREE|Seq Scan on streams|Sort Key: stream", plan
        ), plan


def test_a_page_deep_in_the_list_begins_at_its_place_in_the_index():
    world = make_world()
    fill(world)
    key = parse_stream_key(f"10.{START_NS + 100}.1")
    with CaptureQueriesContext(connection) as asked:
        names = [stream.name for stream in stream_list(world.pk, NOTHING, key).streams]
    assert names[:2] == ["s99", "s98"]
    first = next(plans(asked.captured_queries))
    # The time bounds the range itself, instead of being looked at in every entry that comes before.
    assert re.search(r"latest_ns<\?|Index Cond: .*ROW\(.*latest_ns", first), first


@pytest.mark.postgres
def test_postgresql_answers_them_from_its_indexes_too(postgres_database, request):
    here = [f"{__file__}::{test.__name__}" for test in (_EVERY_PAGE, _DEEP)]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *here],
        check=False,
        cwd=request.config.rootpath,
        env=os.environ | {"TAILRACE_DATABASE_URL": postgres_database},
        text=True,
        capture_output=True,
    )
    assert "3 passed" in done.stdout, done.stdout[-3000:]


_EVERY_PAGE = test_indexes_answer_every_page_of_a_long_list_without_a_sort
_DEEP = test_a_page_deep_in_the_list_begins_at_its_place_in_the_index


def test_a_stream_whose_verdict_falls_while_it_is_listed_stands_there_once(mixed, monkeypatch):
    read = list_queries._newest

    def falling(streams, after, limit):
        found = read(streams, after, limit)
        Stream.objects.filter(name="worst").update(verdict=60)
        return found

    monkeypatch.setattr(list_queries, "_newest", falling)
    monkeypatch.setattr(list_queries, "PAGE", 9)
    (names,) = pages(mixed)
    assert sorted(names) == sorted(set(names)) and names.index("worst") > names.index("old bad")
