"""Only the chunks that one asks for."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.template.loader import render_to_string
from django.urls import reverse

from runs.payloads import RunKey, run_key
from streams import search
from streams.models import Chunk, Write, Writer
from streams.pages._filter import filter_context, types_of
from streams.pages._writes import writers_context
from streams.search import By, Filter, filter_in, find
from tests.factories import CLOSE_MARKER, devalue, make_chunks, make_run, make_stream, make_world

pytestmark = pytest.mark.django_db


@pytest.fixture
def stream():
    stream = make_stream(make_world())
    values = [
        {"type": "text-delta", "id": "t1", "delta": "Hello"},
        {"type": "data-status", "data": {"word": "hello <b>"}},
        b"\xff\xfe\x00",
        CLOSE_MARKER,
        {"type": "text-delta", "id": "t1", "delta": "late"},
    ]
    make_chunks(stream, values)
    stream.refresh_from_db()
    return stream


def shown(client, stream, **query):
    html = client.get(reverse("stream", args=[stream.world.slug, stream.name]), query).content.decode()
    return [int(arrival) for arrival in re.findall(r'id="chunk-(\d+)"', html)], html


@pytest.mark.parametrize(
    ("query", "arrivals"),
    [
        ({"only": "problems"}, [5]),
        ({"type": "text-delta"}, [1, 5]),
        ({"type": "close"}, [4]),
        ({"text": "HELLO"}, [1, 2]),
        ({"text": "hello", "type": "data-status"}, [2]),
        ({"text": "nowhere"}, []),
        ({"text": "/^Hello$/"}, [1]),
        ({"text": "/^hello/i"}, [1, 2]),
        ({"text": "/l+/", "only": "problems"}, [5]),
        ({"only": "nothing"}, [1, 2, 3, 4, 5]),
    ],
)
def test_it_shows_only_what_fits(client, stream, query, arrivals):
    assert shown(client, stream, **query)[0] == arrivals


def wrote(stream, number, arrivals, **fields):
    """A writer and its writes, as the join leaves them."""
    defaults = {"known": "exact", "process": "p1", "step_id": f"step_{number}", "step_name": "step//x//write"}
    writer = Writer.objects.create(stream=stream, key=f"k{number}", **(defaults | {"attempt": 1} | fields))
    for place, arrival in enumerate(arrivals):
        Write.objects.create(
            stream=stream, writer=writer, process=writer.process, number=number, place=place, outcome="stored",
            called_ns=1, revision=1, arrival=arrival,
        )  # fmt: skip
    Chunk.objects.filter(stream=stream, arrival__in=arrivals).update(writer=writer)
    type(stream).objects.filter(pk=stream.pk).update(write_revision=1)
    stream.refresh_from_db()
    return writer


def test_it_shows_what_one_step_wrote(client, stream):
    wrote(stream, 1, [2])
    arrivals, html = shown(client, stream, step="step_1")
    assert arrivals == [2]
    assert '<option value="step_1" selected>write</option>' in html


def test_it_shows_what_one_attempt_of_a_step_in_a_process_wrote(client, stream):
    wrote(stream, 1, [1, 2])
    wrote(stream, 2, [3, 5], step_id="step_1", attempt=2)
    wrote(stream, 3, [4], step_id="", step_name="", attempt=None, process="p~2")
    assert shown(client, stream, writer="1~step_1~p1")[0] == [1, 2]
    assert shown(client, stream, writer="2~step_1~p1")[0] == [3, 5]
    assert shown(client, stream, writer="2~step_1~p1", only="problems")[0] == [5]
    assert shown(client, stream, writer="2~step_1~p1", type="text-delta", text="/a/")[0] == [5]
    assert shown(client, stream, writer=By(None, "", "p~2").key)[0] == [4]
    assert shown(client, stream, writer="1~step_2~p1")[0] == []
    assert shown(client, stream, writer="nobody")[0] == [1, 2, 3, 4, 5]


def test_a_writer_of_many_chunks_is_found_by_looking_through_spans(stream, monkeypatch):
    monkeypatch.setattr(search, "FEW", 1)
    monkeypatch.setattr(search, "SPAN", 2)
    wrote(stream, 1, [1, 2, 5])
    wanted = Filter(writer="1~step_1~p1")
    assert [row.arrival for row in find(stream, wanted, 0, 10).rows] == [1, 2, 5]
    monkeypatch.setattr(search, "ATTEMPTS", 0)
    found = find(stream, wanted, 1, 1)
    assert ([row.arrival for row in found.rows], found.is_end) == ([2], False)


def test_problems_and_writers_are_found_by_their_indexes(stream, django_assert_num_queries):
    wrote(stream, 1, [1, 5])
    plan = Chunk.objects.filter(stream=stream, marks__gte=4, arrival__gt=0).order_by("arrival").explain()
    assert "chunk_problems" in plan
    with django_assert_num_queries(3):
        assert [row.arrival for row in find(stream, Filter(writer="1~step_1~p1"), 0, 10).rows] == [1, 5]


def bar(stream, **query):
    """The bar with all that the page gives it."""
    wanted = filter_in(query)
    found = find(stream, wanted, 0, 10)
    window = SimpleNamespace(
        rows=found.rows,
        has_later=not found.is_end,
        wanted=wanted,
        looked_to=found.looked_to,
        notes=found.notes,
    )
    context = {"stream": stream, "window": window} | writers_context(stream)
    context |= filter_context(found.rows, wanted, context["writers"])
    return render_to_string("streams/_filter.html", context)


def test_writers_and_types_that_occur_are_offered(stream):
    wrote(stream, 1, [1], known="step only")
    html = bar(stream, writer="1~step_1~p1")
    assert (
        '<option value="1~step_1~p1" selected title="from the SDK&#x27;s step context">write, attempt 1, p1 (step only)'
        in html
    )
    assert bar(stream).count('<option value="text-delta">') == 1
    assert types_of(find(stream, Filter(), 0, 10).rows) == ["close", "data-status", "text-delta"]


def test_a_writer_that_is_no_choice_stays_chosen(stream):
    wrote(stream, 1, [1])
    assert '<option value="3~step_9~p1" selected>step_9, p1</option>' in bar(stream, writer="3~step_9~p1")


def test_without_a_probe_it_says_why_there_are_no_writers(stream):
    html = bar(stream)
    assert 'name="writer"' not in html and "not known without the probe" in html


def test_a_pattern_that_cannot_be_used_is_said_beside_the_field_and_hides_nothing(client, stream):
    arrivals, html = shown(client, stream, text="/a(b/", type="text-delta")
    assert arrivals == [1, 5]
    assert 'aria-invalid="true" aria-describedby="filter-trouble"' in html and 'value="/a(b/"' in html
    assert "missing ): a(b" in html and "download all that fit" not in html
    assert shown(client, stream, text="x" * 500)[0] == [1, 2, 3, 4, 5]
    assert "filter-trouble" not in shown(client, stream, text="/a/")[1]


def test_files_of_what_fits_are_linked(client, stream):
    html = shown(client, stream, text="/a&b/", only="problems")[1]
    assert "chunks.ndjson?only=problems&amp;text=%2Fa%26b%2F" in html


def test_encrypted_chunks_are_searched_with_the_key_and_else_counted():
    run = make_run(make_world())
    stream = make_stream(run.world, run=run)
    deployment, nonce = bytes(range(32)), bytes(12)
    sealed = AESGCM(run_key(deployment, "prj", run.run_id)).encrypt(nonce, devalue({"delta": "secret"}), None)
    body = b"encr" + nonce + sealed
    make_chunks(stream, [len(body).to_bytes(4, "big") + body, {"delta": "open"}])
    stream.refresh_from_db()
    shut = find(stream, Filter(text="secret"), 0, 10)
    assert (shut.rows, shut.sealed) == ([], 1) and "1 encrypted: not searched" in shut.notes[0]
    key = RunKey(run_key(deployment, "prj", run.run_id))
    opened = find(stream, Filter(text="secret"), 0, 10, key=key)
    assert ([row.arrival for row in opened.rows], opened.sealed, opened.notes) == ([1], 0, ())
    assert key.opened


def test_large_chunks_are_searched_in_their_beginning_and_counted(stream):
    make_chunks(stream, ["x" * 20_000 + "needle"])
    stream.refresh_from_db()
    found = find(stream, Filter(text="needle"), 0, 10)
    assert (found.rows, found.cut) == ([], 1) and "1 large: searched in the first 16 KiB" in found.notes[0]


def test_a_filtered_page_gets_no_new_rows_and_says_how_far_it_looked(client, stream):
    _, html = shown(client, stream, text="hello")
    assert 'data-filter="text=hello"' in html
    assert "2 chunks of the first 5, all looked at" in html
    assert 'data-filter=""' in shown(client, stream)[1]


def test_a_long_search_goes_on_where_it_stopped(stream, monkeypatch):
    monkeypatch.setattr(search, "PAGE", 2)
    monkeypatch.setattr(search, "BUDGET_S", -1)
    found = find(stream, Filter(text="late"), 0, 10)
    assert (found.rows, found.looked_to, found.is_end) == ([], 1, False)
    assert found.notes == ("The time of one request was up after chunk 1.",)
    found = find(stream, Filter(text="late"), 4, 10)
    assert [row.arrival for row in found.rows] == [5] and found.is_end


def test_no_more_than_asked_for_is_found(stream):
    found = find(stream, Filter(type="text-delta"), 0, 1)
    assert [row.arrival for row in found.rows] == [1] and not found.is_end
    rest = find(stream, Filter(type="text-delta"), found.looked_to, 1)
    assert [row.arrival for row in rest.rows] == [5]


def test_what_is_asked_for_stands_in_the_address_and_is_escaped(client, stream):
    wanted = filter_in({"only": "problems", "text": "a&b"})
    assert wanted.query == "only=problems&text=a%26b"
    assert 'value="&lt;script&gt;"' in shown(client, stream, text="<script>")[1]
