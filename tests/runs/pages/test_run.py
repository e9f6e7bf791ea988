"""The run page: facts, the sentence, timeline, steps, events, hooks, waits, values."""

from __future__ import annotations

import json
import re

import pytest
from django.urls import reverse

from dashboard.lib import panels
from runs import queries
from runs.worlds.base import stored_bytes
from tests.factories import (
    CLOSE_MARKER,
    MS,
    START_NS,
    devalue,
    make_chunks,
    make_event,
    make_hook,
    make_run,
    make_step,
    make_stream,
    make_wait,
    make_world,
    text_chunks,
)  # fmt: skip

pytestmark = pytest.mark.django_db
EVIL = "<script>alert(1)</script>"


@pytest.fixture
def world():
    return make_world()


def page(client, run, query=""):
    response = client.get(reverse("run", args=[run.world.slug, run.run_id]) + query)
    assert response.status_code == 200
    return response.content.decode()


def sentence(html):
    found = re.search(r'aria-label="What happened">(.*?)</section>', html, re.S)[1]
    return " ".join(re.sub(r"<[^>]*>", "", found).split())


def test_it_shows_what_happened_with_links_to_the_evidence(client, world):
    run = make_run(world)
    make_step(run)
    make_chunks(make_stream(world, run=run), [*text_chunks(1), CLOSE_MARKER, *text_chunks(5), CLOSE_MARKER])
    html = page(client, run)
    assert sentence(html) == (
        "Completed after 528 ms. 1 step. Stream default: 5 chunks behind the end marker, 2 end markers."
        " From stored facts."
    )
    assert html.count('class="vclose"') == 2  # one in the legend
    assert 'class="vclose2"' in html


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"status": "failed", "error": stored_bytes({"message": "boom", "stack": "FatalError: boom\n at x"}, "")},
         "Failed after 528 ms: FatalError: boom. No step was seen."),
        ({"status": "failed", "error": devalue("just text"), "error_code": "USER_ERROR"},
         'Failed after 528 ms (USER_ERROR): &quot;just text&quot;. No step was seen.'),
        ({"status": "failed"}, "Failed after 528 ms: no error was stored. No step was seen."),
        ({"status": "cancelled"}, "Cancelled after 528 ms. No step was seen."),
        ({"status": "", "completed_ns": None},
         "The run itself was not seen: only traces of it (steps, events or streams) were seen in this world."),
        ({"status": "running", "completed_ns": None}, "Running since 22:26:40.000. No step was seen."),
    ],
)  # fmt: skip
def test_it_says_how_a_run_ended(client, world, fields, said):
    assert sentence(page(client, make_run(world, **fields))) == f"{said} From stored facts."


def test_it_says_what_a_run_waits_for(client, world):
    run = make_run(world, status="running", completed_ns=None)
    make_wait(run)
    assert "Sleeping until 22:27:40.000" in sentence(page(client, run))
    make_hook(run, "abort", is_system=True)
    assert "Sleeping" in sentence(page(client, run))
    make_hook(run, f"mod:{EVIL}")
    assert "Waiting for the hook mod:&lt;script&gt;" in sentence(page(client, run))
    make_step(run, status="pending", attempt=2, name="step//x//persist")
    assert "Waiting to retry persist." in sentence(page(client, run))
    make_step(run, status="running")
    assert "Running since 22:26:40.000: 1 step in progress." in sentence(page(client, run))


def test_it_lists_steps_with_their_errors(client, world):
    run = make_run(world)
    make_step(run, name=f"step//x//{EVIL}", status="failed", attempt=3, error=devalue(EVIL))
    make_step(run, error=stored_bytes({"message": "once"}, ""))
    html = page(client, run)
    assert "<script>alert" not in html
    assert '<td class="num">3</td>' in html
    assert "of an earlier attempt" in html
    assert "20 ms" in html


def test_it_lists_events_in_order_with_what_they_are_about(client, world):
    run = make_run(world)
    step = make_step(run, name="step//x//emitStream")
    payload = {"__type": "Uint8Array", "data": "ZGV2bFt7ImEiOjF9LDQyXQ=="}
    make_event(run, "step_created", {"stepName": "secret name", "input": payload}, event_id="b",
               correlation_id=step.step_id, created_ns=START_NS + 25 * MS)  # fmt: skip
    make_event(run, "run_created", event_id="a", created_ns=START_NS)
    html = page(client, run)
    assert html.index("run_created") < html.index("step_created")
    assert '<td class="num">+25</td>' in html
    assert "{input: {a: 42}}" in html
    assert "secret name" not in html
    assert re.search(r"<td title=\"step_[^\"]*\">emitStream</td>", html)


def test_it_shows_a_page_of_many_events(client, world, monkeypatch):
    monkeypatch.setattr(queries, "EVENTS_PAGE", 2)
    run = make_run(world)
    for event_id in "abc":
        make_event(run, f"kind_{event_id}", event_id=event_id)
    html = page(client, run)
    assert "kind_c" not in html
    assert 'href="?after=b#events"' in html
    later = page(client, run, "?after=b")
    assert "kind_c" in later
    assert '<td class="num">3</td>' in later
    assert "kind_a" not in later


def test_it_shows_values_in_each_stored_form(client, world):
    large = stored_bytes("x" * 2_000_000, "runs/x.json")
    run = make_run(world, input=devalue([{"say": EVIL}]), output=large, error=b"\x00\x01\x02nonsense")
    html = page(client, run)
    assert "<script>alert" not in html
    assert '<span class="k">say</span>' in html
    assert "kept as head: 65,532 bytes of 2,000,002" in html
    assert "00 01 02 6e 6f" in html
    assert len(html) < 120_000


def test_it_shows_hooks_and_waits(client, world):
    run = make_run(world, status="running", completed_ns=None)
    make_hook(run, "token-1", metadata=devalue({"who": "me"}), is_webhook=True)
    make_wait(run, status="completed", completed_ns=START_NS + 5 * MS)
    html = page(client, run)
    assert "token-1" in html
    assert "webhook" in html
    assert "{who: &quot;me&quot;}" in html
    assert "Hooks and waits" not in page(client, make_run(world))


def test_it_refreshes_without_the_frame_of_the_page(client, world):
    piece = page(client, make_run(world), "?part=rows")
    assert piece.lstrip().startswith('<div id="run"')


def test_it_stands_when_a_provider_fails(client, world, monkeypatch, caplog):
    monkeypatch.setattr(panels, "_providers", panels.defaultdict(list, run_streams=[lambda ids: 1 / 0]))
    html = page(client, make_run(world))
    assert "not available" in html
    assert "not checked" in html
    assert "ZeroDivisionError" in caplog.text


def test_it_says_when_details_are_no_longer_kept(client, world):
    assert "removed on 2026-11-21" in page(client, make_run(world, pruned_ns=START_NS))


def test_it_has_a_page_for_a_run_that_is_not_there(client, world):
    other = make_run(make_world("other"))
    for run_id in ("nope", other.run_id):
        response = client.get(reverse("run", args=[world.slug, run_id]))
        assert response.status_code == 404
        assert "This world has no run with that id." in response.content.decode()


def test_it_asks_the_same_number_of_questions_for_any_run(
    client, world, django_assert_num_queries, django_assert_max_num_queries
):
    small, big = make_run(world), make_run(world)
    make_step(small)
    make_event(small, "run_created")
    with django_assert_max_num_queries(22) as asked:
        page(client, small)
    for at in range(30):
        step = make_step(big)
        make_event(big, "step_started", correlation_id=step.step_id)
        make_stream(world, f"s{at}", run=big)
    with django_assert_num_queries(len(asked)):
        page(client, big)


def test_it_shows_one_step_with_its_values_and_events(client, world):
    run = make_run(world)
    step = make_step(run, "step_1", input=devalue({"args": [EVIL]}), output=devalue(json.dumps(1)))
    make_event(run, "step_started", correlation_id="step_1")
    make_event(run, "other_event", correlation_id="step_2")
    html = client.get(reverse("step", args=[world.slug, run.run_id, step.step_id])).content.decode()
    assert '<span class="k">args</span>' in html
    assert "step_started" in html
    assert "other_event" not in html
    assert "<script>alert" not in html
    assert client.get(reverse("step", args=[world.slug, run.run_id, "step_9"])).status_code == 404
