"""The lanes on the stream page: recorded races and late writes, no probe, hostile names."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from django.urls import reverse

from dashboard.anomalies.detect import judge_world
from dashboard.lib.clock import now_ns
from runs.models import AppProcess, InboxItem, World
from streams import ingest
from streams.inbox import apply
from streams.models import Chunk, Stream, Write, Writer
from streams.order import MOVED
from tests.factories import (
    CLOSE_MARKER,
    MS,
    START_NS,
    make_chunks,
    make_run,
    make_step,
    make_stream,
    make_world,
    text_chunks,
)
from tests.probe_recordings import batches
from tests.recordings import scenarios, unpack

pytestmark = pytest.mark.django_db
STOP = threading.Event()


@pytest.fixture
def recorded(tmp_path: Path) -> Callable[..., World]:
    """A recording, read; with what its probe reported where that is asked for."""

    def read(sdk: str, label: str, with_reports: bool = True) -> World:
        location = str(unpack(sdk, label, tmp_path).resolve())
        world = World.objects.create(
            kind="local", location=location, name="app", slug="app", created_ns=now_ns()
        )
        for batch in batches(sdk, label) if with_reports else ():
            body = json.dumps(batch).encode()
            InboxItem.objects.create(
                world=world, process=batch["process"], number=batch["number"], received_ns=now_ns(), body=body
            )
        apply(world.pk, STOP)
        ingest.hint(world.pk, None)
        ingest.pull(world.pk, STOP)
        judge_world(world.pk, STOP)
        return world

    return read


def stream_of(world: World, sdk: str, label: str, scenario: str) -> Stream:
    entry = next(one for one in scenarios(sdk, label) if one["scenario"] == scenario and set(one["runIds"]))
    return Stream.objects.filter(world=world, run__run_id__in=entry["runIds"], is_system=False).get()


def get(client, stream: Stream, query: str = "?part=lanes") -> str:
    response = client.get(reverse("stream", args=[stream.world.slug, stream.name]) + query)
    assert response.status_code == 200
    return response.content.decode()


def data_of(html: str) -> dict[str, Any]:
    found = re.search(r'<script id="lanes-data" type="application/json">(.*?)</script>', html, re.DOTALL)
    assert found is not None
    return json.loads(found[1])


def looks(data: dict[str, Any]) -> list[str]:
    return [data["looks"][mark[6]] for mark in data["marks"]]


def text_of(html: str) -> str:
    return unescape(re.sub(r"\s+", " ", re.sub(r"<script.*?</script>|<[^>]+>", " ", html, flags=re.DOTALL)))


def test_the_race_of_2058_is_on_the_page_without_a_click(client, recorded):
    world = recorded("4.2.4", "probe-lat")
    stream = stream_of(world, "4.2.4", "probe-lat", "b_reacquire")
    html = get(client, stream, "")
    data = data_of(html)

    assert "10 of 10 calls of emitStream overlap" in html
    assert len(data["lanes"]) == 11, "each call under way at once has a row, then the close"
    assert html.count('class="lab g"') == 10
    moved = {mark[4] for mark in data["marks"] if data["looks"][mark[6]] == "moved: out of order"}
    assert moved == set(stream.chunks.filter(marks__gte=MOVED).values_list("arrival", flat=True)) != set()
    assert 'class="tick moved"' in html and "close +163.0" in html


def test_writables_followed_exactly_are_named_and_counted(client, recorded):
    world = recorded("5.0.0-beta.5", "probe-w2")
    html = get(client, stream_of(world, "5.0.0-beta.5", "probe-w2", "b_reacquire"))

    assert "emitStream × 10" in html
    assert [f"W{at} " in " ".join(data_of(html)["lanes"]) for at in range(1, 11)] == [True] * 10
    assert html.count('<span class="how">exact</span>') == 10


def test_the_late_window_and_what_nobody_reads_of_1949(client, recorded):
    world = recorded("4.2.4", "probe-lat")
    html = get(client, stream_of(world, "4.2.4", "probe-lat", "c_eagerClose"))

    found = looks(data_of(html))
    assert found.count("behind the end marker: never read") == 5
    assert (found.count("end marker"), found.count("second end marker")) == (1, 1)
    assert ", late to +" in html and 'class="latehatch"' in html


def test_what_the_world_refused_after_the_runs_end_stands_in_the_late_window(client, recorded):
    world = recorded("4.2.4", "probe-409")
    stream = stream_of(world, "4.2.4", "probe-409", "c_lateFlush")
    html = get(client, stream)
    data = data_of(html)

    assert stream.head == 0, "nothing of it is stored"
    assert looks(data) == ["rejected by the world"]
    _row, called, back, tick, arrival, position, _, status = data["marks"][0]
    assert (tick, arrival, position, status) == (None, None, None, 409) and back > called
    assert 'class="cross rejected"' in html and re.search(r"run end \+[\d.]+, late to", html)


def test_a_step_that_wrote_in_order_is_one_quiet_row(client, recorded):
    world = recorded("4.2.4", "probe-full")
    html = get(client, stream_of(world, "4.2.4", "probe-full", "a_clean"))

    assert 'class="lab g"' not in html and "overlap" not in html
    assert set(looks(data_of(html))) == {"stored", "end marker"}


def test_without_a_probe_it_says_so_and_shows_steps_and_chunks(client, recorded):
    world = recorded("4.2.4", "plain", with_reports=False)
    html = get(client, stream_of(world, "4.2.4", "plain", "c_eagerClose"))
    data = data_of(html)

    assert data["lanes"][0] == "not known" and "who wrote is not known without a probe" in html
    assert {mark[0] for mark in data["marks"]} == {0} and len(data["marks"]) == 14
    assert any("persistTurnMessages" in lane for lane in data["lanes"])
    assert ", late to" in html and "called" not in text_of(html).lower().split("numbers:")[0]


def test_the_same_as_a_table(client, recorded):
    world = recorded("4.2.4", "probe-lat")
    html = get(client, stream_of(world, "4.2.4", "probe-lat", "b_reacquire"), "?part=lanes&as=table")
    rows = re.findall(r"<tr><td>(.*?)</tr>", html)

    assert html.count("<table>") == 2 and html.count('scope="row"') == 11 + 11
    assert len(rows) == 11 and all('href="?at=' in row for row in rows)
    assert "moved: out of order" in html and "end marker" in html


def test_a_part_of_the_axis_holds_only_what_is_in_it(client):
    stream = make_stream(make_world(), run=make_run(make_world("other")))
    make_chunks(stream, [*text_chunks(50), CLOSE_MARKER])
    whole = data_of(get(client, stream))
    begin, end = START_NS + 10 * MS, START_NS + 20 * MS

    part = data_of(get(client, stream, f"?part=lanes&from={begin}&to={end}"))

    assert len(whole["marks"]) == 51 and whole["fit"] is True
    assert [mark[4] for mark in part["marks"]] == list(range(10, 21)) and part["fit"] is False
    assert part["zero"] == whole["zero"]


@pytest.mark.parametrize(
    "window", ["from=x&to=y", "from=5&to=5", "from=9&to=1", "from=1", f"from=0&to={'9' * 40}", "from=-1&to=²"]
)
def test_what_is_no_part_of_an_axis_is_all_of_it(client, window):
    stream = make_stream(make_world())
    make_chunks(stream, text_chunks(3))

    assert data_of(get(client, stream, f"?part=lanes&{window}"))["fit"] is True


def test_a_stream_without_anything_has_no_lanes(client):
    stream = make_stream(make_world())

    assert "lanes-data" not in get(client, stream)
    assert re.search(r'id="lanes-panel"[^>]* hidden', get(client, stream, ""))


def test_hostile_names_are_text(client):
    world = make_world()
    run = make_run(world)
    name = 'step//x//<script>alert(1)</script>"\u202e</script><!--'
    make_step(run, step_id='step_"><b>', name=name)
    stream = make_stream(world, run=run)
    make_chunks(stream, text_chunks(2))
    writer = make_writer(stream, step_id='step_"><b>', step_name=name, process='p<i>"')
    make_write(stream, writer, 1)
    for query in ("?part=lanes", "?part=lanes&as=table"):
        html = get(client, stream, query)
        assert "&lt;script&gt;" in html and "alert(1)" in html
        assert not re.search(r"<script>|<i>|<!--|\u202e", html)
        assert html.count("</script>") == html.count("<script ")
    assert "⟨202E⟩" in data_of(get(client, stream))["lanes"][0]


def make_writer(stream: Stream, **fields: Any) -> Writer:
    key = " ".join(str(value) for value in fields.values())
    defaults: dict[str, Any] = {"known": "exact", "process": "p1", "attempt": 1, "scope": key, "key": key}
    return Writer.objects.create(stream=stream, **(defaults | fields))


def make_write(stream: Stream, writer: Writer, arrival: int | None, **fields: Any) -> Write:
    defaults: dict[str, Any] = {
        "process": writer.process, "number": arrival or 99, "place": 0, "outcome": "stored" if arrival else "lost",
        "called_ns": START_NS + 5 * MS, "took_ns": 2 * MS, "arrival": arrival, "order": arrival or 99, "revision": 1,
    }  # fmt: skip
    Stream.objects.filter(pk=stream.pk).update(write_revision=1)
    Chunk.objects.filter(stream=stream, arrival=arrival).update(writer=writer)
    return Write.objects.create(stream=stream, writer=writer, **(defaults | fields))


def test_calls_are_set_right_by_a_known_offset_and_the_picture_says_by_how_much(client):
    world = make_world()
    stream = make_stream(world)
    make_chunks(stream, text_chunks(1))
    make_write(stream, make_writer(stream, step_id="step_a", step_name="a"), 1)
    before = data_of(get(client, stream))
    AppProcess.objects.create(
        world=world, process="p1", first_seen_ns=0, last_seen_ns=0, clock_offset_ns=70 * MS, clock_error_ns=MS
    )

    html = get(client, stream)
    after = data_of(html)

    def called(data: dict[str, Any]) -> int:
        return int(data["zero"]) + round(data["marks"][0][1] * MS)

    assert called(after) - called(before) == 70 * MS
    assert "set right by +70.0 ± 1.0 ms to this machine's" in unescape(html)


def test_ids_without_a_time_are_placed_by_the_worlds_clock_and_the_picture_says_so(client):
    stream = make_stream(make_world())
    make_chunks(stream, text_chunks(2), minted_ms=17)

    html = get(client, stream)

    assert "2 ids hold none, there it is the world" in html
    assert data_of(html)["to"] < 60_000
