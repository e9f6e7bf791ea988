"""Who wrote to a stream, and what is not stored, on the pages; from journals of real runs."""

from __future__ import annotations

import pytest
from django.urls import reverse

from runs.models import AppError, AppProcess
from streams.models import Stream
from tests.streams.test_replayed_reports import push, reading, replay

__all__ = ["replay"]
pytestmark = pytest.mark.django_db


def stream_of(world, workflow: str) -> Stream:
    return world.streams.get(run__workflow__endswith=f"//{workflow}", name__endswith="_user")


def page(client, stream, name="stream", *more, **query):
    return client.get(reverse(name, args=[stream.world.slug, stream.name, *more]), query).content.decode()


def test_the_scrambled_stream_names_its_step_and_the_fix(client, replay):
    html = page(client, stream_of(replay("5.0.0-beta.5", "probe-w2", push, reading), "reacquirePerWrite"))
    findings = html.partition('id="findings"')[2].partition('id="writes"')[0]
    assert "racing_writers" in findings and "emitStream" in findings and "proved" in findings
    assert "Call getWritable() once per step" in findings
    writers = html.partition('id="writes"')[2].partition("</details>")[0]
    assert '<details class="panel writes" open>' in writers
    assert "emitStream</a>" in writers and '<td class="num err">10</td>' in writers
    assert ">exact</td>" in writers


def test_what_was_rejected_is_listed_with_its_reason(client, replay):
    html = page(client, stream_of(replay("4.2.4", "probe-409", push, reading), "lateFlush"))
    writers = html.partition('id="writes"')[2]
    assert "1 write not stored" in writers and "rejected chunk" in writers
    assert "fireAndForgetWrite" in writers and "HTTP 409" in writers


def test_a_clean_stream_is_called_complete_and_in_order_only_if_all_is_known(client, replay):
    world = replay("5.0.0-beta.5", "probe-w2", push, reading)
    stream = stream_of(world, "cleanChatArg")
    html = page(client, stream)
    verdict = html.partition('id="verdict"')[2].partition("</section>")[0]
    assert "every write is stored" in verdict and "as their writers meant them" in verdict
    assert "not checked here" not in verdict
    assert '<details class="panel writes">' in html, "nothing in it must be seen at once"
    AppProcess.objects.update(dropped_records=5)
    html = page(client, stream)
    assert "every write is stored" not in html
    assert "5 reports of the writing processes never got here" in html


def test_without_a_probe_nothing_is_claimed(client, replay):
    html = page(client, stream_of(replay("5.0.0-beta.5", "probe-w2", reading), "cleanChatArg"))
    assert "what was written but not stored is known only through a probe" in html
    assert "every write is stored" not in html and 'class="panel writes"' not in html


def test_a_chunk_tells_its_writer_and_call(client, replay):
    stream = stream_of(replay("5.0.0-beta.5", "probe-w2", push, reading), "reacquirePerWrite")
    html = page(client, stream, "chunk", 1)
    assert "emitStream</a>" in html and "attempt 1" not in html.partition("<dt>call</dt>")[2]
    assert "(exact)" in html and "overlapped another call of its step" in page(client, stream, "chunk", 3)
    assert '<dt title="the writer&#x27;s own order' in html or "sequence</dt>" in html


def test_the_run_page_shows_failures_that_surfaced_in_the_app(client, replay):
    world = replay("4.2.4", "probe-409", push, reading)
    run = stream_of(world, "lateFlush").run
    assert (
        "Errors in the app" not in client.get(reverse("run", args=[world.slug, run.run_id])).content.decode()
    )
    AppError.objects.create(
        world=world, run=run, process="p", number=1, place=0, kind="unhandled_rejection", at_ns=1,
        name="Error", message="Stream write failed: <b>HTTP 409</b>",
    )  # fmt: skip
    html = client.get(reverse("run", args=[world.slug, run.run_id])).content.decode()
    assert "Errors in the app" in html and "unhandled rejection" in html
    assert "&lt;b&gt;HTTP 409" in html
