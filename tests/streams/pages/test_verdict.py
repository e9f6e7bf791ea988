"""The verdict bar: five questions, each with how sure, and never a tick for what was not checked."""

from __future__ import annotations

import threading
from dataclasses import asdict

import pytest
from django.urls import reverse

from dashboard.anomalies.detect import judge_world
from dashboard.lib.panels import Piece
from streams.models import Stream
from streams.pages._verdict import cells_of
from streams.repeats import Looked
from tests.factories import CLOSE_MARKER, make_chunks, make_run, make_stream, make_world, text_chunks
from tests.streams.written import CLOSE, chunk, exact, joined, report, store

pytestmark = pytest.mark.django_db
MESSAGE = [
    {"type": "start", "messageId": "m"},
    {"type": "text-start", "id": "t1"},
    *text_chunks(3),
    {"type": "text-end", "id": "t1"},
    {"type": "finish"},
]


@pytest.fixture
def world():
    return make_world()


def judged(stream) -> Stream:
    Stream.objects.filter(pk=stream.pk).update(changes=1)
    judge_world(stream.world_id, threading.Event())
    return Stream.objects.select_related("run", "world").get(pk=stream.pk)


def bar(stream, *pieces) -> dict[str, tuple[str, str]]:
    """Answer to how it looks and how sure it is."""
    return {cell.answer: (cell.look, cell.sure) for cell in cells_of(stream, pieces, None)}


def reasons(stream, *pieces) -> str:
    return " | ".join(cells_of(stream, pieces, None)[-1].reasons)


def test_a_good_message_is_answered_in_the_order_of_the_questions(world):
    stream = make_stream(world, run=make_run(world))
    make_chunks(stream, [*MESSAGE, CLOSE_MARKER])
    assert list(bar(judged(stream)).items()) == [
        ("closed once", ("good", "proved")),
        ("no duplicates", ("good", "proved")),
        ("grammar kept", ("good", "proved")),
        ("not checked here", ("unk", "")),
    ]


def test_what_was_not_checked_says_what_is_missing_and_who_supplies_it(world):
    stream = make_stream(world, run=make_run(world))
    make_chunks(stream, [*MESSAGE, CLOSE_MARKER])
    told = reasons(judged(stream))
    assert "order: what the writer meant is known only through a probe in exact mode" in told
    assert "Supplied by a probe or the recording proxy" in told
    assert "closed" not in told and "grammar" not in told


def test_before_it_is_judged_nothing_that_needs_a_look_is_good(world):
    stream = make_stream(world, run=make_run(world))
    make_chunks(stream, [*MESSAGE, CLOSE_MARKER])
    assert bar(stream).keys() == {"closed once", "not checked here"}
    assert "duplicates: not looked at yet" in reasons(stream)
    done = judged(stream)
    done.changes += 1
    assert "no duplicates" not in bar(done) and "grammar kept" not in bar(done)


def test_reports_of_everything_leave_no_question_open(world):
    store(world, chunk(1, b"a", 1), chunk(2, b"b", 11), chunk(3, CLOSE, 20))
    report(world, exact(1, b"a", 0), exact(2, b"b", 10), exact(3, CLOSE, 19))
    joined()
    stream = judged(Stream.objects.get())
    assert bar(stream) == {
        "ordered": ("good", "proved"),
        "complete": ("good", "proved"),
        "closed once": ("good", "proved"),
        "no duplicates": ("good", "proved"),
    }


def test_moved_chunks_are_bad_if_proved_and_doubtful_if_not(world):
    suspected, proved = make_stream(world, "a"), make_stream(world, "b")
    make_chunks(suspected, text_chunks(3), moved=[2])
    make_chunks(proved, text_chunks(3), moved=[2], proved=True)
    assert bar(suspected)["ordered"] == ("sus", "suspected")
    assert bar(proved)["ordered"] == ("bad", "proved")


@pytest.mark.parametrize(
    ("values", "answer", "look"),
    [
        ([CLOSE_MARKER], "closed once", "good"), ([CLOSE_MARKER, CLOSE_MARKER], "closed once", "sus"),
        ([CLOSE_MARKER, b"x"], "closed at the end", "bad"), ([CLOSE_MARKER, b"x", CLOSE_MARKER], "closed once", "bad"),
        ([b"x"], "never closed", "sus"),
    ],
)  # fmt: skip
def test_it_tells_how_a_stream_was_closed(world, values, answer, look):
    stream = make_stream(world, run=make_run(world))
    make_chunks(stream, values)
    assert bar(stream)[answer] == (look, "proved")


def test_a_broken_grammar_and_a_loss_are_shown_once_with_their_words(world):
    stream = make_stream(world, looked=asdict(Looked(message=True)))
    make_chunks(stream, MESSAGE)
    broken = Piece("p", "protocol_violation", "error", "proved", "At position 3: no start")
    lost = Piece("chunk_lost", "chunk_lost", "error", "proved", "2 chunks are lost")
    refused = Piece("write_rejected", "write_rejected", "error", "proved", "3 writes were refused")
    cells = cells_of(stream, [broken, lost, refused], None)
    assert [cell.fact for cell in cells[:-1]] == [lost.title, broken.title, refused.title]
    assert bar(stream, broken)["grammar kept"] == ("bad", "proved")


def test_a_grammar_that_cannot_be_read_is_not_called_kept(world):
    stream = make_stream(world, looked=asdict(Looked(message=True)), judged=0)
    unread = Piece("not checked", "protocol_violation", title=f"{stream.name}: a chunk cannot be read")
    assert "grammar: a chunk cannot be read. Supplied by the run's key" in reasons(stream, unread)
    assert "grammar kept" not in bar(stream, unread)


@pytest.mark.parametrize(
    ("looked", "reason"),
    [
        (Looked(to=2, sealed=True), "encrypted to different bytes"),
        (Looked(to=1), "looked at 1 of 2 so far"),
        (Looked(to=2, near=1, pairs=[[2, 1]]), "1 chunk repeats what came just before; whether"),
    ],
)
def test_repeats_that_cannot_be_told_are_no_answer(world, looked, reason):
    stream = make_stream(world, judged=0, looked=asdict(looked))
    make_chunks(stream, [b"a", b"a"])
    assert reason in reasons(stream)
    assert "no duplicates" not in bar(stream)


def test_a_batch_that_came_twice_is_suspected(world):
    stream = make_stream(world, run=make_run(world))
    make_chunks(stream, [b"a", b"b", b"c", b"a", b"b", b"c", CLOSE_MARKER])
    done = judged(stream)
    assert bar(done)["no duplicates"] == ("sus", "suspected")
    assert done.verdict == 50


@pytest.mark.parametrize("kind", ["duplicate_chunk", "repeated_by_retry"])
def test_a_finding_of_repeats_answers_in_the_place_of_the_digests(world, kind):
    stream = make_stream(world, judged=0, looked=asdict(Looked(to=2)))
    make_chunks(stream, [b"a", b"b"])
    assert bar(stream)["no duplicates"] == ("good", "proved")
    found = Piece(kind, kind, "error", "proved", "step A wrote it twice")
    cells = cells_of(stream, [found], None)
    assert [(cell.answer, cell.look) for cell in cells if cell.fact == found.title] == [
        ("no duplicates", "bad")
    ]


def test_a_question_that_is_asked_of_messages_alone_is_left_out(world):
    stream = make_stream(world, run=make_run(world))
    make_chunks(stream, [b"plain", CLOSE_MARKER])
    assert "grammar" not in reasons(judged(stream))


def test_reasons_that_are_the_same_are_said_once(world):
    pieces = [
        Piece("not checked", kind, title="no probe <here>") for kind in ("chunk_lost", "racing_writers")
    ]
    assert "chunk_lost, racing_writers: no probe <here>" in reasons(make_stream(world), *pieces)


def test_the_page_leads_to_the_probe_where_one_would_help(client, world):
    stream = make_stream(world, run=make_run(world))
    make_chunks(stream, [b"x", CLOSE_MARKER])
    html = client.get(reverse("stream", args=[world.slug, stream.name])).content.decode()
    assert f'<a href="{reverse("connect", args=[world.slug])}">Connect a probe</a>' in html
