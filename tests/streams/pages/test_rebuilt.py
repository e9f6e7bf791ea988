"""The rebuilt message on the stream page: on recordings with the reports of their probe, and on hostile streams."""

from __future__ import annotations

import json
import re
import threading
from html import unescape

import pytest
from django.template.loader import render_to_string

from dashboard.anomalies.detect import judge_world
from dashboard.lib.clock import now_ns
from runs import keys
from runs.models import Decryption, InboxItem, World
from streams import _rebuilt_rows, ingest
from streams.inbox import apply
from streams.pages import _rebuilt
from streams.pages._rebuilt import rebuilt_context, rebuilt_part
from streams.pages._rebuilt_text import Item, folded
from tests.factories import CLOSE_MARKER, make_chunks, make_run, make_stream, make_world, text_chunks
from tests.probe_recordings import batches
from tests.recordings import scenarios, unpack
from tests.streams.pages.test_encrypted import DEPLOYMENT_KEY, encrypted_frame

pytestmark = pytest.mark.django_db
STOP = threading.Event()
START = {"type": "start", "messageId": "m"}
BEGIN = {"type": "text-start", "id": "t1"}


def recorded(tmp_path, sdk, label, *, with_probe=True) -> World:
    world = World.objects.create(
        kind="local",
        location=str(unpack(sdk, label, tmp_path).resolve()),
        name="app",
        slug="app",
        created_ns=now_ns(),
    )
    ingest.hint(world.pk, None)
    ingest.pull(world.pk, STOP)
    for batch in batches(sdk, label) if with_probe else ():
        body = json.dumps(batch).encode()
        InboxItem.objects.create(
            world=world, process=batch["process"], number=batch["number"], received_ns=now_ns(), body=body
        )
    apply(world.pk, STOP)
    judge_world(world.pk, STOP)
    return world


def streams_of(world, sdk, label, scenario):
    runs = [
        run for one in scenarios(sdk, label) if one["scenario"].startswith(scenario) for run in one["runIds"]
    ]
    return list(world.streams.filter(run__run_id__in=runs, is_system=False).order_by("name"))


def html_of(stream, rf):
    return render_to_string(
        "streams/_rebuilt.html", {"stream": stream} | rebuilt_context(stream, rf.get("/"))
    )


def texts(html) -> list[str]:
    """What each column and the difference say, as a browser would select it."""
    found = re.findall(r'<div class="msg[^>]*>(.*?)</div>', html, re.DOTALL)
    return [unescape(re.sub(r"<[^>]*>", "", one)) for one in found]


def moved(html) -> list[str]:
    return re.findall(r'class="frag [^"]*moved[^"]*" href="\?at=(\d+)#chunk-\1"', html)


@pytest.mark.parametrize(
    ("sdk", "label", "certainty"),
    [
        ("4.2.4", "probe-lat", "suspected"),
        ("5.0.0-beta.5", "probe-w2", "proved"),
        ("5.0.0-beta.5", "trials-lat", "proved"),
    ],
)
def test_the_scrambled_message_stands_beside_what_was_meant(tmp_path, rf, sdk, label, certainty):
    world = recorded(tmp_path, sdk, label)
    streams = streams_of(world, sdk, label, "b_reacquire")
    assert streams
    for stream in streams:
        html = html_of(stream, rf)
        meant, stored, difference = texts(html)
        assert meant == "novo e2e ok"
        assert sorted(stored) == sorted(meant) and stored != meant
        assert "texts differ" in html and f"</svg>{certainty}</span>" in html
        assert set(moved(html)) <= {
            str(arrival) for arrival in stream.chunks.values_list("arrival", flat=True)
        }
        assert moved(html) and sorted(re.findall(r"<del>|<ins>", html))
        assert len(difference) > len(meant)


def test_the_diff_takes_out_and_puts_in_the_same_chunks(tmp_path, rf):
    world = recorded(tmp_path, "5.0.0-beta.5", "probe-w2")
    html = html_of(streams_of(world, "5.0.0-beta.5", "probe-w2", "b_reacquire")[0], rf)
    sides = [
        sorted(re.findall(r"\?at=(\d+)", "".join(re.findall(rf"<{tag}>.*?</{tag}>", html, re.DOTALL))))
        for tag in ("del", "ins")
    ]
    assert sides[0] == sides[1] != []


def test_without_reports_one_text_and_the_reason(tmp_path, rf):
    world = recorded(tmp_path, "5.0.0-beta.5", "probe-w2", with_probe=False)
    html = html_of(streams_of(world, "5.0.0-beta.5", "probe-w2", "b_reacquire")[0], rf)
    assert len(texts(html)) == 1
    assert "The writer&#x27;s order is not known: no probe reported" in html
    assert "texts differ" not in html and "proved" not in html


def test_chunks_behind_the_end_marker_are_in_no_readers_text(tmp_path, rf):
    world = recorded(tmp_path, "4.2.4", "probe-lat")
    html = html_of(streams_of(world, "4.2.4", "probe-lat", "c_eagerClose")[0], rf)
    assert re.search(r"\d chunks behind the end marker: never read, only in the writer&#x27;s text", html)


@pytest.mark.parametrize(("sdk", "label"), [("5.0.0-beta.55", "probe-sess"), ("4.2.4", "probe-full")])
def test_what_is_in_order_has_one_text(tmp_path, rf, sdk, label):
    world = recorded(tmp_path, sdk, label)
    shown = {
        stream.name: html_of(stream, rf)
        for one in ("a_", "e_")
        for stream in streams_of(world, sdk, label, one)
    }
    assert any("In the writer&#x27;s order too" in html for html in shown.values())
    assert not any("texts differ" in html for html in shown.values())


@pytest.fixture
def stream(db):
    return make_stream(make_world())


def test_each_fragment_links_to_its_chunk(stream, rf):
    make_chunks(stream, [START, BEGIN, *text_chunks(2), CLOSE_MARKER])
    html = html_of(stream, rf)
    assert texts(html) == ["word0 word1 "]
    assert 'href="?at=3#chunk-3" title="position 2, arrival 3">word0 </a>' in html
    assert "stops" not in html


def test_it_says_where_the_sdk_stops_and_shows_what_would_follow(stream, rf):
    make_chunks(stream, [START, *text_chunks(1), BEGIN, *text_chunks(2)])
    html = html_of(stream, rf)
    assert texts(html) == ["word0 word0 word1 "]
    assert (
        "AI SDK 5 and 7: the reader stops at position 1</a>: text-delta of &#x27;t1&#x27; comes before its"
        in html
    )
    assert html.index('data-word="AI SDK 5 and 7 stops here"') < html.index('class="frag')


def test_parts_of_the_message_are_cards(stream, rf):
    call = {"toolCallId": "c1"}
    make_chunks(
        stream,
        [
            START,
            {"type": "tool-input-start", "toolName": "weather", **call},
            {"type": "tool-input-available", "toolName": "weather", "input": {"city": "Rome"}, **call},
            {"type": "tool-output-error", "errorText": "no such city", **call},
            {"type": "data-status", "id": "s", "data": 1},
            {"type": "data-status", "id": "s", "data": 2},
            {"type": "source-url", "sourceId": "u", "url": "javascript:alert(1)"},
            {"type": "reasoning-start", "id": "r"},
            {"type": "reasoning-delta", "id": "r", "delta": "hm"},
            {"type": "finish", "finishReason": "stop"},
        ],
    )
    html = html_of(stream, rf)
    for words in (
        "weather",
        "output-error",
        "no such city",
        "data-status",
        "replaced 1 time",
        "Reasoning",
        "finished: stop",
    ):
        assert words in html
    assert 'href="javascript' not in html
    assert texts(html) == ["hm"]


def test_a_text_of_strings_is_joined_and_keeps_its_lines(stream, rf):
    make_chunks(stream, ["one\ntwo", " three"])
    assert texts(html_of(stream, rf)) == ["one⏎\ntwo three"]


def test_values_stand_one_a_line(stream, rf):
    make_chunks(stream, [{"a": 1}, [2], "s"])
    html = html_of(stream, rf)
    assert "Joined values" in html and 'class="msg lines"' in html
    assert texts(html) == ['{a: 1}[2]"s"']


def test_bytes_that_are_no_text_are_said_to_be(stream, rf):
    make_chunks(stream, [b"\x89PNG\xff\x00"])
    html = html_of(stream, rf)
    assert "bytes that are no text are not joined" in html
    assert texts(html) == []


EVIL = '<script>alert("1")</script>\u202e\x00'


def test_it_escapes_everything_that_comes_from_a_world(stream, rf):
    call = {"toolCallId": EVIL, "toolName": EVIL}
    make_chunks(
        stream,
        [
            {"type": "start", "messageId": EVIL, "messageMetadata": {EVIL: EVIL}},
            {"type": "text-delta", "id": EVIL, "delta": EVIL},
            {"type": "reasoning-delta", "id": EVIL, "delta": EVIL},
            {"type": "tool-input-available", "input": {EVIL: EVIL}, **call},
            {"type": "tool-output-error", "errorText": EVIL, **call},
            {"type": "tool-approval-response", "approvalId": EVIL, "approved": False, "reason": EVIL},
            {"type": f"data-{EVIL}", "id": EVIL, "data": EVIL},
            {"type": "file", "url": EVIL, "mediaType": EVIL, EVIL: EVIL},
            {"type": "start", "messageId": EVIL + "2"},
            {"type": "text-delta", "id": EVIL, "delta": EVIL},
            {"type": "error", "errorText": EVIL},
        ],
    )
    html = html_of(stream, rf)
    assert "<script" not in html and 'alert("' not in html
    assert "\x00" not in re.sub(r'data-copy="[^"]*"', "", html)
    assert "\u202e" not in re.sub(r'data-copy="[^"]*"', "", html)
    assert html.count("alert(") > 8


def test_lone_surrogates_do_no_harm(stream, rf):
    make_chunks(stream, [START, BEGIN, {"type": "text-delta", "id": "t1", "delta": "a\ud800"}])
    html_of(stream, rf).encode()


@pytest.mark.parametrize(
    "fields", [{"is_system": True}, {"pruned_ns": 1}, {}], ids=["the SDK's own", "pruned", "empty"]
)
def test_there_is_nothing_to_rebuild(rf, fields):
    stream = make_stream(make_world(), **fields)
    if fields:
        make_chunks(stream, ["a"])
    # The place where the first chunk's text goes, where there may be one.
    place = "" if fields else '<section id="rebuilt" data-again="?part=rebuilt" hidden></section>'
    assert html_of(stream, rf).strip() == place
    assert rebuilt_part(rf.get("/?part=rebuilt"), stream).content.decode().strip() == place


def test_a_long_stream_is_put_together_when_the_page_is_there(stream, rf, monkeypatch):
    monkeypatch.setattr(_rebuilt, "AT_ONCE", 4)
    make_chunks(stream, [START, BEGIN, *text_chunks(3)])
    html = html_of(stream, rf)
    assert 'hx-get="?part=rebuilt"' in html and "word" not in html
    part = rebuilt_part(rf.get("/?part=rebuilt"), stream).content.decode()
    assert texts(part) == ["word0 word1 word2 "]


def test_it_says_what_is_left_out_of_a_very_long_one(stream, rf, monkeypatch):
    monkeypatch.setattr(_rebuilt_rows, "MOST", 4)
    make_chunks(stream, [START, BEGIN, *text_chunks(5)])
    html = html_of(stream, rf)
    assert texts(html) == ["word0 word1 "]
    assert "Only the first 4 chunks are put together, 3 are left out." in html


def test_the_rest_of_a_long_one_is_put_together_when_it_is_asked_for(stream, rf, monkeypatch):
    monkeypatch.setattr(_rebuilt, "SMALL", _rebuilt.SMALL._replace(chunks=4))
    make_chunks(stream, [START, BEGIN, *text_chunks(5)])
    html = html_of(stream, rf)
    assert texts(html) == ["word0 word1 "]
    assert "3 are left out." in html and "more=1" in html
    more = rebuilt_part(rf.get("/?part=rebuilt&more=1"), stream).content.decode()
    assert texts(more) == ["word0 word1 word2 word3 word4 "]
    assert "left out" not in more and 'data-again="?part=rebuilt&amp;more=1"' in more


def test_it_reads_only_so_many_bytes(stream, rf, monkeypatch):
    monkeypatch.setattr(_rebuilt_rows, "MOST_BYTES", 60)
    make_chunks(stream, ["x" * 30, "y" * 30, "z"])
    html = html_of(stream, rf)
    assert texts(html) == ["x" * 30]
    assert "2 are left out" in html


def test_a_long_chunk_is_read_and_shown_cut(stream, rf):
    make_chunks(stream, ["x" * 50_000])
    html = html_of(stream, rf)
    assert texts(html) == ["x" * 1_000 + "…"]
    assert "more=1" in html


def test_chunks_that_cannot_be_read_are_counted(stream, rf):
    make_chunks(stream, ["a", b"\0\0\0\x08nope\0", "b"])
    html = html_of(stream, rf)
    assert texts(html) == ["ab"]
    assert "1 chunk cannot be read here" in html and 'href="?at=2#chunk-2"' in html


def test_more_of_a_folded_text_can_be_asked_for(stream, rf):
    make_chunks(stream, [START, BEGIN, *text_chunks(300)])
    html = html_of(stream, rf)
    assert html.count('class="frag') < 130 and "… 24" in html
    assert "part=rebuilt&amp;more=1" in html
    more = rebuilt_part(rf.get("/?part=rebuilt&more=1"), stream).content.decode()
    assert more.count('class="frag') == 300 and "Show more of it" not in more


def test_folding_keeps_what_is_marked():
    items = [Item("frag", str(at), at, look="moved" if at == 500 else "") for at in range(1000)]
    kept = folded(items, 60)
    assert len(kept) < 70
    assert items[500] in kept and items[0] in kept and items[999] in kept
    assert folded(items[:60], 60) == items[:60]
    assert (
        sum(int(one.text.strip("… more").replace(",", "")) for one in kept if one.kind == "fold")
        + sum(one.kind == "frag" for one in kept)
        == 1000
    )


RUN_ID = "wrun_01M80487WGNRVXFR19ENRYRFEX"


def test_encrypted_text_opens_with_the_key_and_is_noted_with_the_rows(rf, settings, client):
    settings.KEY_SECRET = "a secret from the environment"
    run = make_run(make_world(), RUN_ID)
    stream = make_stream(run.world, run=run)
    make_chunks(stream, [encrypted_frame(word) for word in ("open ", "sesame")])
    html = html_of(stream, rf)
    assert "sesame" not in html and "2 chunks cannot be read here (encrypted)" in html
    assert not Decryption.objects.exists()

    keys.keep_key(run.world, DEPLOYMENT_KEY, "prj_x")
    keys.switch(run.world, is_on=True)
    assert texts(html_of(stream, rf)) == ["open sesame"]
    client.get(f"/w/app/streams/{stream.name}/")
    assert [row.what for row in Decryption.objects.all()] == [f"chunks 1–2 of {stream.name}"]
